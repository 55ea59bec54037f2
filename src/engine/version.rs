//! What an engine says of its version: whose it is, and what it can do.

use bollard::models::SystemVersion;

/// From this version of the API on, engines heed an interval of the start period in health checks.
const START_INTERVAL_API: (u32, u32) = (1, 44);

/// The name and version of an engine that only speaks like Docker's.
pub(super) fn other_engine(version: &SystemVersion) -> Option<String> {
    let components = version.components.iter().flatten();
    let mut others = components.filter(|part| part.name.to_ascii_lowercase().contains("podman"));
    others
        .next()
        .map(|part| format!("{} {}", part.name, part.version))
}

/// Whether a health check may have an interval of its own for the start period.
pub(super) fn has_start_interval(version: &SystemVersion) -> bool {
    api(version.api_version.as_deref()) >= START_INTERVAL_API
}

/// The image store of containerd keeps what it has and goes on from there; the classic one begins anew.
pub(super) fn keeps_unfinished_pulls(driver_status: Option<&[Vec<String>]>) -> bool {
    let said = driver_status.unwrap_or_default().iter();
    let mut said = said.filter_map(|pair| Some((pair.first()?, pair.get(1)?)));
    said.any(|(name, value)| {
        name == "driver-type" && value.starts_with("io.containerd.snapshotter")
    })
}

/// `1.41` as two numbers; what cannot be read is older than anything.
pub(super) fn api(version: Option<&str>) -> (u32, u32) {
    let parts = version.and_then(|version| version.split_once('.'));
    let numbers = parts.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    numbers.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_of_containerd_is_told_from_the_classic_one() {
        let pair = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
        let classic = [pair("Backing Filesystem", "extfs")];
        let of_containerd = [pair("driver-type", "io.containerd.snapshotter.v1")];
        assert!(!keeps_unfinished_pulls(None));
        assert!(!keeps_unfinished_pulls(Some(&classic)));
        assert!(keeps_unfinished_pulls(Some(&of_containerd)));
    }

    #[test]
    fn versions_of_the_api_are_compared_as_numbers() {
        for new in ["1.44", "1.100", "2.0"] {
            assert!(api(Some(new)) >= START_INTERVAL_API, "{new}");
        }
        for old in [Some("1.41"), Some("1.9"), Some("x"), None] {
            assert!(api(old) < START_INTERVAL_API, "{old:?}");
        }
    }
}
