//! Which paths of the host must lie outside each other: what is in a bind is the runtime's, which is root in its
//! container and may write, replace and link there whatever it likes.

use std::fmt;
use std::path::{Path, PathBuf};

/// Directories that programs of the host read, run or write as root.
const SYSTEM: [&str; 19] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/systemd",
    "/var/run",
    "/var/spool",
];

/// A path with what it is, such as the variable that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    /// What it is.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// A path that no bind may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    /// What it is, and where.
    pub named: NamedPath,
    /// Whether what lies below it is protected too.
    pub with_all_below: bool,
}

/// The bind sources, and what they must be apart from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPaths {
    /// Bind sources by their variable.
    pub binds: Vec<NamedPath>,
    /// Everything that is not the runtime's.
    pub protected: Vec<Protected>,
}

/// How one path lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// They are one.
    Equals,
    /// The first holds the second.
    Contains,
    /// The first is below the second.
    LiesIn,
}

/// A bind source that is not apart. `Display` is the sentence behind the variable's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The bind source, as it was compared.
    pub bind: NamedPath,
    /// How it lies to the other.
    pub relation: Relation,
    /// What it meets.
    pub other: NamedPath,
}

impl HostPaths {
    /// The binds, and beside `own` all that is protected on every host. `root` is where the environments are, `other`
    /// the name of the other environment there.
    #[must_use]
    pub fn new(binds: Vec<NamedPath>, own: Vec<NamedPath>, root: &str, other: &str) -> Self {
        let tree = |name, path: String| Protected {
            named: NamedPath::new(name, path),
            with_all_below: true,
        };
        let alone = |name, path: &str| Protected {
            named: NamedPath::new(name, path),
            with_all_below: false,
        };
        let own = own.into_iter().map(|named| Protected {
            named,
            with_all_below: true,
        });
        let system = SYSTEM.map(|path| tree("the host's own", path.to_owned()));
        let roots = [
            alone("the root directory", "/"),
            alone("the directory of the environments", root),
            tree("the other environment's", format!("{root}/{other}")),
        ];
        Self {
            binds,
            protected: own.chain(roots).chain(system).collect(),
        }
    }

    /// Every pair that is not apart, as the paths are written; the first of each bind source is enough to act on.
    #[must_use]
    pub fn overlaps(&self) -> Vec<Overlap> {
        let mut found = Vec::new();
        for (index, bind) in self.binds.iter().enumerate() {
            let first = self.others(index).find_map(|(other, with_all_below)| {
                let relation = relation(&bind.path, &other.path)?;
                let counts = relation != Relation::LiesIn || with_all_below;
                counts.then(|| bind.overlap(relation, other))
            });
            found.extend(first);
        }
        found
    }

    /// What the bind source of this index must be apart from, the earlier ones among it; and for each whether what lies
    /// below counts too.
    pub fn others(&self, index: usize) -> impl Iterator<Item = (&NamedPath, bool)> {
        let earlier = self.binds[..index].iter().map(|other| (other, true));
        let protected = self.protected.iter();
        earlier.chain(protected.map(|other| (&other.named, other.with_all_below)))
    }
}

impl NamedPath {
    /// A path by what it is.
    #[must_use]
    pub fn new(name: &'static str, path: impl Into<PathBuf>) -> Self {
        Self {
            name,
            path: path.into(),
        }
    }

    /// What is said of this bind source and another path.
    #[must_use]
    pub fn overlap(&self, relation: Relation, other: &Self) -> Overlap {
        Overlap {
            bind: self.clone(),
            relation,
            other: other.clone(),
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equals => "is the same as",
            Self::Contains => "contains",
            Self::LiesIn => "lies in",
        })
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} ({}): the runtime may change whatever is in it, so give it a directory of its own",
            self.bind.path.display(),
            self.relation,
            self.other.path.display(),
            self.other.name
        )
    }
}

/// How two paths lie to each other; none if they are apart.
fn relation(one: &Path, other: &Path) -> Option<Relation> {
    match (one.starts_with(other), other.starts_with(one)) {
        (true, true) => Some(Relation::Equals),
        (false, true) => Some(Relation::Contains),
        (true, false) => Some(Relation::LiesIn),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(audit: &str, snapshots: &str) -> Vec<String> {
        let binds = vec![
            NamedPath::new("AUDIT_EVENTS_PATH", audit),
            NamedPath::new("SNAPSHOTS_PATH", snapshots),
        ];
        let own = vec![
            NamedPath::new("STATE_DIRECTORY", "/opt/dreichor/dev/deploy-agent/state"),
            NamedPath::new("RUNTIME_ENV_FILE", "/opt/dreichor/dev/runtime.env"),
        ];
        let paths = HostPaths::new(binds, own, "/opt/dreichor", "prod");
        let overlaps = paths.overlaps();
        let shown = |overlap: &Overlap| format!("{} {overlap}", overlap.bind.name);
        overlaps.iter().map(shown).collect()
    }

    #[test]
    fn the_contracts_directories_are_apart_and_so_are_disks_of_their_own() {
        let volumes = "/opt/dreichor/dev/volumes";
        let (audit, snapshots) = (
            format!("{volumes}/audit-events"),
            format!("{volumes}/snapshots"),
        );
        assert_eq!(said(&audit, &snapshots), Vec::<String>::new());
        for apart in [
            "/srv/audit",
            "/mnt/disk",
            "/var/data",
            "/home/audit",
            "/usrdata",
            "/opt/data",
        ] {
            assert_eq!(said(apart, &snapshots), Vec::<String>::new());
        }
    }

    #[test]
    fn what_is_not_the_runtimes_is_in_no_bind() {
        for (audit, words) in [
            (
                "/",
                "contains /opt/dreichor/dev/deploy-agent/state (STATE_DIRECTORY)",
            ),
            ("/opt", "contains"),
            ("/opt/dreichor", "contains"),
            ("/opt/dreichor/dev", "contains"),
            ("/opt/dreichor/dev/runtime.env", "is the same as"),
            ("/opt/dreichor/dev/deploy-agent", "contains"),
            ("/opt/dreichor/dev/deploy-agent/state/x", "lies in"),
            (
                "/opt/dreichor/prod",
                "is the same as /opt/dreichor/prod (the other environment's)",
            ),
            ("/opt/dreichor/prod/volumes/x", "lies in"),
            ("/etc", "is the same as /etc (the host's own)"),
            ("/etc//cron.d/./x", "lies in /etc"),
            ("/var", "contains /var/lib/containerd"),
            ("/run/docker.sock", "lies in /run"),
            ("/usr/local/data", "lies in /usr"),
        ] {
            let said = said(audit, "/srv/snapshots");
            assert!(!said.is_empty(), "{audit}");
            assert!(said[0].starts_with("AUDIT_EVENTS_PATH /"), "{said:?}");
            assert!(said[0].contains(words), "{audit}: {said:?}");
        }
    }

    #[test]
    fn the_two_binds_are_outside_each_other() {
        for (audit, snapshots, words) in [
            ("/srv/a", "/srv/a", "is the same as"),
            ("/srv/a", "/srv/a/b", "lies in"),
            ("/srv/a/b", "/srv/a", "contains"),
        ] {
            let said = said(audit, snapshots);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].starts_with("SNAPSHOTS_PATH /"), "{said:?}");
            assert!(said[0].contains(words), "{said:?}");
        }
    }
}
