//! The places in the container that the image names: where its process starts, and where its volumes are mounted.

/// The longest name of one directory, and of a whole path, its NUL included.
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4096;
/// What the runtime needs itself, and finds gone or blocked when a volume is mounted there. A volume below /proc is
/// refused by every runtime.
const TAKEN: [&str; 5] = ["/", "/dev", "/dev/null", "/dev/ptmx", "/proc"];

pub(super) fn working_directory(path: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let relative = (!path.starts_with('/')).then_some("is not an absolute path");
    let problem = relative.or_else(|| path_problem(path))?;
    Some(format!("the image's WORKDIR {problem}"))
}

pub(super) fn volume(path: &str) -> Option<String> {
    let place = resolved(path);
    let taken = TAKEN.contains(&place.as_str()) || place.starts_with("/proc/");
    let at = |problem: &str| format!("the image's VOLUME {} {problem}", path.escape_debug());
    match path_problem(path) {
        Some(problem) => Some(format!("a VOLUME of the image {problem}")),
        None if taken => Some(at("is where the engine puts something of its own")),
        None => None,
    }
}

fn path_problem(path: &str) -> Option<&'static str> {
    let long = path.len() >= LONGEST_PATH || path.split('/').any(|name| name.len() > LONGEST_NAME);
    match path.contains('\0') {
        true => Some("holds a NUL byte"),
        false => long.then_some("is longer than a file system takes"),
    }
}

/// The place that an engine mounts it at: from the root, without `.`, `..` and double slashes.
fn resolved(path: &str) -> String {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_judged_by_the_place_they_are_mounted_at() {
        for bad in [
            "/",
            "",
            ".",
            "..",
            "/.",
            "/dev",
            "/dev/",
            "//dev",
            "/etc/../dev",
            "dev",
            "/proc",
            "/proc/x",
            "/a/../proc/sys",
            "/dev/null",
            "/dev/ptmx",
            "/a\0b",
        ] {
            assert!(volume(bad).is_some(), "{bad:?}");
        }
        for good in [
            "/data",
            "data",
            "/dev/shm",
            "/devices",
            "/processes",
            "/sys",
            "/proc/../data",
            "/var/lib/dreichor/snapshots",
        ] {
            assert_eq!(volume(good), None, "{good:?}");
        }
        assert!(volume(&format!("/{}", "x".repeat(256))).is_some());
        assert!(volume(&"/x".repeat(2048)).is_some());
    }
}
