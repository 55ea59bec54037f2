//! A real Docker Engine of one test's own, which may be killed and started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::until;

/// `dockerd` in a directory of its own, without bridge and iptables.
pub struct PrivateEngine {
    directory: PathBuf,
    arguments: Vec<String>,
    remaps_users: bool,
    child: Option<Child>,
}

impl PrivateEngine {
    /// With these arguments of `dockerd` besides its own.
    pub fn start(directory: &Path, arguments: &[String]) -> Self {
        std::fs::create_dir_all(directory).expect("made");
        let mut engine = Self {
            directory: directory.to_owned(),
            arguments: arguments.to_vec(),
            remaps_users: false,
            child: None,
        };
        engine.up();
        engine
    }

    /// An engine whose containers have other users on the host than in themselves. It sees lists of such users that are
    /// its own.
    pub fn start_remapping_users(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).expect("made");
        std::fs::write(
            directory.join("ids"),
            "nobody:100000:65536\nnogroup:100000:65536\n",
        )
        .expect("written");
        // Docker 29 cannot do both, remap users and keep images in containerd's store.
        let settings = directory.join("daemon.json");
        std::fs::write(
            &settings,
            r#"{"features":{"containerd-snapshotter":false}}"#,
        )
        .expect("written");
        let mut engine = Self {
            directory: directory.to_owned(),
            arguments: vec![
                "--userns-remap=nobody:nogroup".to_owned(),
                format!("--config-file={}", settings.display()),
            ],
            remaps_users: true,
            child: None,
        };
        engine.up();
        engine
    }

    fn program(&self) -> Command {
        if !self.remaps_users {
            return Command::new("dockerd");
        }
        let ids = self.directory.join("ids");
        let ids = ids.display();
        let mut program = Command::new("unshare");
        program.args(["--mount", "sh", "-c"]).arg(format!(
            "touch /etc/subuid /etc/subgid && mount --bind {ids} /etc/subuid && mount --bind {ids} /etc/subgid && exec dockerd \"$@\""
        ));
        program.arg("dockerd");
        program
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("docker.sock")
    }

    /// Starts it and waits until it answers.
    pub fn up(&mut self) {
        let path = |name: &str| self.directory.join(name);
        // containerd died with the engine that was killed. Where nobody reaps its zombie, a new engine takes the
        // process in this file for alive and waits for it in vain.
        std::fs::remove_file(path("exec/containerd/containerd.pid")).ok();
        let log = File::options()
            .create(true)
            .append(true)
            .open(path("log"))
            .expect("a log");
        let child = self
            .program()
            .arg("--host")
            .arg(format!("unix://{}", self.socket().display()))
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .args(["--bridge", "none", "--iptables=false", "--ip-masq=false"])
            .args(["--shutdown-timeout", "3"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("dockerd runs: the tests of engine restarts need root and dockerd");
        self.child = Some(child);
        let socket = self.socket();
        until(
            "the private engine answers",
            Duration::from_secs(30),
            || {
                super::message::try_engine_call(&socket, "GET", "/_ping", None)
                    .is_ok_and(|answer| answer.status == 200)
            },
        );
    }

    /// Ends it in order, as an upgrade of its package does.
    pub fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = child.id().to_string();
            let told = Command::new("kill").arg(&pid).status();
            assert!(told.expect("kill runs").success());
            child.wait().expect("waited for");
        }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("waited for");
        }
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        if self.child.is_none() {
            // Killed: its containerd lives on, and only a new life of the engine ends both in order.
            self.up();
        }
        if let Some(mut child) = self.child.take() {
            let pid = child.id().to_string();
            // In order, so that containers, shims and containerd go with it.
            Command::new("kill").arg(&pid).status().ok();
            child.wait().ok();
        }
        // Shims of containers that outlived a killed engine know their directory.
        let own = self.directory.display().to_string();
        Command::new("pkill")
            .args(["-KILL", "-f", &format!("containerd-shim.*{own}")])
            .status()
            .ok();
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let left = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for mount in left.filter(|mount| mount.starts_with(&own)) {
            Command::new("umount").args(["--lazy", mount]).status().ok();
        }
    }
}
