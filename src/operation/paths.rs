//! The paths of the host as they are on its disk: whether the binds are apart from everything else, and whether anybody
//! else could write what the runtime is started with. Whatever the settings say, links and mounts decide.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::domain::{HostPaths, NamedPath, Overlap, Protected, Relation};

/// Write permission of the group and of everybody; of an access list it is the mask.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// The permission bits of a mode.
const PERMISSIONS: u32 = 0o7777;

/// Why `runtime.env` could have been written by somebody else. `Display` names the file.
#[derive(Debug, Error)]
pub enum EnvFileFault {
    /// It cannot be seen.
    #[error("RUNTIME_ENV_FILE {path}: {1}", path = .0.display())]
    Unreadable(PathBuf, std::io::Error),
    /// A directory, a pipe, a device.
    #[error("RUNTIME_ENV_FILE {path}: is not a regular file", path = .0.display())]
    NotAFile(PathBuf),
    /// Neither root's nor the agent's.
    #[error("RUNTIME_ENV_FILE {path} belongs to user {1}, who may rewrite it: chown root:root {path}", path = .0.display())]
    Owner(PathBuf, u32),
    /// Its mode lets others write.
    #[error("RUNTIME_ENV_FILE {path} has mode {1:04o}, so that others may write it: chmod go-w {path}", path = .0.display())]
    Writable(PathBuf, u32),
}

/// Checks that nobody but root and the agent's user may write `runtime.env`.
///
/// # Errors
/// It is missing or no regular file, belongs to somebody else, or others may write it.
pub(super) async fn env_file_is_guarded(path: &Path) -> Result<(), EnvFileFault> {
    let path = path.to_owned();
    let meta = match tokio::fs::metadata(&path).await {
        Ok(meta) => meta,
        Err(error) => return Err(EnvFileFault::Unreadable(path, error)),
    };
    let (owner, mode) = (meta.uid(), meta.mode() & PERMISSIONS);
    let own = rustix::process::geteuid().as_raw();
    if !meta.is_file() {
        Err(EnvFileFault::NotAFile(path))
    } else if mode & WRITABLE_BY_OTHERS != 0 {
        Err(EnvFileFault::Writable(path, mode))
    } else if owner != 0 && owner != own {
        Err(EnvFileFault::Owner(path, owner))
    } else {
        Ok(())
    }
}

/// Checks one bind source.
///
/// # Errors
/// A sentence that names the variable and the directory.
pub(super) async fn bind_source(variable: &str, path: &Path) -> Result<(), String> {
    match tokio::fs::metadata(path).await {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(format!("{variable} {} is not a directory", path.display())),
        Err(error) => Err(format!("{variable} {}: {error}", path.display())),
    }
}

/// Every bind that is not apart once links are followed, or that is another path's directory mounted a second time.
pub(super) async fn not_apart(paths: &HostPaths) -> Vec<Overlap> {
    let paths = paths.clone();
    let found = tokio::task::spawn_blocking(move || on_disk(&paths)).await;
    found.expect("looking at paths does not panic")
}

/// How two paths lie to each other once links are followed, or because a mount or a hard link shows one of them twice;
/// none if they are apart. Blocks.
#[must_use]
pub fn relation_on_disk(one: &NamedPath, other: &NamedPath) -> Option<Relation> {
    let paths = HostPaths {
        binds: vec![one.clone()],
        protected: vec![Protected {
            named: other.clone(),
            with_all_below: true,
        }],
    };
    on_disk(&paths).first().map(|overlap| overlap.relation)
}

fn on_disk(paths: &HostPaths) -> Vec<Overlap> {
    let linked = |named: &NamedPath| NamedPath::new(named.name, canonical(&named.path));
    let resolved = paths.protected.iter().map(|protected| Protected {
        named: linked(&protected.named),
        with_all_below: protected.with_all_below,
    });
    // As written too: the link itself must not lie in a bind.
    let protected = resolved.chain(paths.protected.iter().cloned()).collect();
    let resolved = HostPaths {
        binds: paths.binds.iter().map(linked).collect(),
        protected,
    };
    let mut found = resolved.overlaps();
    for (index, bind) in resolved.binds.iter().enumerate() {
        if found.iter().all(|overlap| overlap.bind != *bind) {
            found.extend(same_directory(bind, resolved.others(index)));
        }
    }
    found
}

/// The path without links. What is not there yet is below the last directory that is.
fn canonical(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let (Ok(found), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) {
            // Joining nothing would add a slash.
            return found.components().chain(rest.components()).collect();
        }
    }
    path.to_owned()
}

/// A mount can show one directory under two paths, which no comparison of paths finds.
fn same_directory<'a>(
    bind: &NamedPath,
    mut others: impl Iterator<Item = (&'a NamedPath, bool)>,
) -> Option<Overlap> {
    let id = identity(&bind.path)?;
    let above_bind = above(&bind.path);
    others.find_map(|(other, with_all_below)| {
        let other_id = identity(&other.path);
        let relation = if other_id == Some(id) {
            Relation::Equals
        } else if above(&other.path).contains(&id) {
            Relation::Contains
        } else if with_all_below && other_id.is_some_and(|id| above_bind.contains(&id)) {
            Relation::LiesIn
        } else {
            return None;
        };
        Some(bind.overlap(relation, other))
    })
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let id = |meta: Metadata| (meta.dev(), meta.ino());
    path.metadata().ok().map(id)
}

fn above(path: &Path) -> Vec<(u64, u64)> {
    path.ancestors().skip(1).filter_map(identity).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(future)
    }

    /// The state directory is protected; the bind is what the test makes of it.
    fn said(directory: &Path, bind: &str) -> Vec<String> {
        let binds = vec![NamedPath::new("SNAPSHOTS_PATH", directory.join(bind))];
        let own = vec![NamedPath::new("STATE_DIRECTORY", directory.join("state"))];
        let paths = HostPaths::new(binds, own, "/opt/dreichor", "prod");
        on_disk(&paths).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_bind_that_links_lead_elsewhere_is_found() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for made in ["state", "data/apart", "far/real"] {
            std::fs::create_dir_all(at(made)).expect("made");
        }
        assert_eq!(said(directory.path(), "data/apart"), Vec::<String>::new());
        assert_eq!(said(directory.path(), "data/missing"), Vec::<String>::new());
        for (link, to) in [
            ("to_state", at("state")),
            ("to_etc", PathBuf::from("/etc")),
            ("to_socket", PathBuf::from("/var/run")),
            ("to_root", PathBuf::from("/")),
            ("to_opt", PathBuf::from("/opt")),
        ] {
            symlink(to, at(link)).expect("linked");
            assert!(!said(directory.path(), link).is_empty(), "{link}");
        }
        let below = said(directory.path(), "to_state/missing/below");
        assert!(
            below[0].contains("lies in") && below[0].contains("STATE_DIRECTORY"),
            "{below:?}"
        );
        // The other way round: the state directory is a link into the bind.
        std::fs::remove_dir(at("state")).expect("removed");
        symlink(at("data/apart"), at("state")).expect("linked");
        let said = said(directory.path(), "data");
        assert!(said[0].contains("contains"), "{said:?}");
    }

    #[test]
    fn a_runtime_env_that_others_may_write_is_named_with_what_fixes_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("runtime.env");
        std::fs::write(&file, "A=1\n").expect("written");
        let with_mode = |mode| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
            block_on(env_file_is_guarded(&file)).map_err(|fault| fault.to_string())
        };
        for mode in [0o600, 0o640, 0o444, 0o755] {
            assert_eq!(with_mode(mode), Ok(()), "{mode:o}");
        }
        for mode in [0o620, 0o602, 0o666] {
            let said = with_mode(mode).expect_err("refused");
            assert!(said.contains(&format!("mode {mode:04o}")), "{said}");
            assert!(
                said.ends_with(&format!("chmod go-w {}", file.display())),
                "{said}"
            );
        }
        let said = block_on(env_file_is_guarded(directory.path())).expect_err("refused");
        assert!(said.to_string().contains("not a regular file"), "{said}");
    }

    #[test]
    fn a_runtime_env_of_another_user_is_refused() {
        // Root may give a file away; for anybody else the test's own file stands in, which is fine.
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(block_on(env_file_is_guarded(file.path())).is_ok());
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(file.path(), Some(12345), None).expect("given away");
            let said = block_on(env_file_is_guarded(file.path())).expect_err("refused");
            assert!(said.to_string().contains("belongs to user 12345"), "{said}");
            assert!(said.to_string().contains("chown root:root"), "{said}");
        }
    }
}
