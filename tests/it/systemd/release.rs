//! The releases that hosts are booted as, and what differs between them: a table, asked by the name of a suite.

use std::process::Command;

use super::image::succeed;

/// The release that hosts are of; this machine's own if it is not set.
const RELEASE: &str = "HOST_RELEASE";
/// The image store of their engines: `overlay2` or `containerd`; the release's own if it is not set.
const STORE: &str = "HOST_STORE";

/// What a release of Debian or Ubuntu is known to bring.
struct Known {
    suite: &'static str,
    systemd: &'static str,
    engine: &'static str,
    /// What its systemd must be told before it works with control groups of version 1.
    init: &'static str,
    /// Whether it works with control groups of version 1 at all: systemd before 258.
    version_1: bool,
}

const KNOWN: [Known; 5] = [
    Known {
        suite: "bookworm",
        systemd: "252",
        engine: "20.10",
        init: "",
        version_1: true,
    },
    Known {
        suite: "trixie",
        systemd: "257",
        engine: "26.1",
        init: "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
        version_1: true,
    },
    Known {
        suite: "forky",
        systemd: "262",
        engine: "28.5",
        init: "",
        version_1: false,
    },
    Known {
        suite: "noble",
        systemd: "255",
        engine: "24.0",
        init: "",
        version_1: true,
    },
    Known {
        suite: "resolute",
        systemd: "259",
        engine: "29.1",
        init: "",
        version_1: false,
    },
];

/// The release that hosts are booted as.
pub struct Release {
    pub suite: String,
    /// Nothing of a release that the table does not have: this machine's own may be any.
    known: Option<&'static Known>,
    store: Option<String>,
}

impl Release {
    pub fn chosen() -> Self {
        let suite = std::env::var(RELEASE).unwrap_or_else(|_| of_this_machine());
        let known = KNOWN.iter().find(|known| known.suite == suite);
        Self {
            suite,
            known,
            store: std::env::var(STORE).ok(),
        }
    }

    /// A shell script that ends as the first process of a host called `name`.
    ///
    /// systemd hands credentials to units through mounts that must propagate; a container's do not until told to. Where
    /// it needs control groups of version 2 and the machine has those of version 1, it gets the other hierarchy, without
    /// controllers, and a part of its own in it: hosts that boot beside each other would share their services otherwise.
    pub fn init(&self, name: &str) -> String {
        let mut script = "set -e\n".to_owned();
        if let Some(store) = &self.store {
            let containerd = store == "containerd";
            script += &format!(
                "[ -e /etc/docker/daemon.json ] || {{ mkdir -p /etc/docker; \
                 echo '{{\"features\": {{\"containerd-snapshotter\": {containerd}}}}}' >/etc/docker/daemon.json; }}\n"
            );
        }
        let told = self.known.map_or("", |known| known.init);
        let boot = format!("mount --make-rshared /; exec /sbin/init {told}");
        if self.works_with(control_groups()) {
            return script + &boot;
        }
        script
            + &format!(
                "mount -t cgroup2 cgroup2 /sys/fs/cgroup\n\
                 mkdir -p /sys/fs/cgroup/{name}\n\
                 echo $$ >/sys/fs/cgroup/{name}/cgroup.procs\n\
                 exec unshare --cgroup sh -ec 'umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; {boot}'"
            )
    }

    /// Takes away what a host called `name` leaves outside of its container.
    pub fn sweep(&self, name: &str) {
        if self.works_with(control_groups()) {
            return;
        }
        let script = format!(
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup && find /sys/fs/cgroup/{name} -depth -type d -exec rmdir {{}} +"
        );
        let mut apart = Command::new("unshare");
        // A host that did not boot has left nothing.
        apart.args(["--mount", "sh", "-c", &script]).output().ok();
    }

    /// Fails if a host is not what it was booted as. `told` is what it says: systemd's major version, the engine's
    /// version, its image store, the version of its control groups.
    pub fn assert_is(&self, told: &str) {
        let words: Vec<&str> = told.split_whitespace().collect();
        let [systemd, engine, store, groups] = words[..] else {
            panic!("four words: {told:?}");
        };
        let suite = &self.suite;
        println!(
            "tried: on {suite} with systemd {systemd}, Docker Engine {engine}, {store}, cgroup v{groups}"
        );
        if let Some(known) = self.known {
            assert_eq!(systemd, known.systemd, "systemd of {suite}");
            assert!(engine.starts_with(known.engine), "{suite} has {engine}");
        }
        if let Some(wanted) = &self.store {
            assert_eq!(store, wanted, "the image store");
        }
    }

    fn works_with(&self, version: u8) -> bool {
        version == 2 || self.known.is_none_or(|known| known.version_1)
    }
}

/// The version of the control groups that this machine's engine gives to containers.
fn control_groups() -> u8 {
    match std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        true => 2,
        false => 1,
    }
}

/// The program of the package is linked with the libc of this release.
fn of_this_machine() -> String {
    let mut source = Command::new("sh");
    let source = source.args(["-c", ". /etc/os-release && echo \"$VERSION_CODENAME\""]);
    succeed("the release of this machine", source)
        .trim()
        .to_owned()
}
