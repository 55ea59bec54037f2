//! The paths of the host as they are on its disk: whether the binds are apart from everything else. Whatever the settings
//! say, links and mounts decide.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::domain::{HostPaths, NamedPath, Overlap, Protected, Relation};

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
    use std::os::unix::fs::symlink;

    use super::*;

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
}
