//! One booted host, and the ways to act on it.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agents::ASK;
use super::image::{Image, succeed};
use super::package::{VERSION, package};
use super::registry::{HostRegistry, REPOSITORY};
use super::release::Release;
use crate::harness::unique;

/// What a container needs so that systemd can be its first process, short of the host's own privileges.
const RUN: [&str; 18] = [
    "--hostname=host",
    "--network=none",
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    "--tmpfs=/tmp:exec",
    // The engine's own layers do not stack on the layers of this container.
    "--volume=/var/lib/docker",
    "--volume=/var/lib/containerd",
    "--stop-signal=SIGRTMIN+3",
    "--stop-timeout=20",
    "--label=dreichor-host-test",
    "--detach",
    "--init=false",
];
/// What a host tells of itself, for [`Release::assert_is`].
const TOLD: &str = r#"systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p'
    docker version --format '{{.Server.Version}}'
    docker info --format '{{.DriverStatus}} {{.Driver}}' | sed 's/.*driver-type.*/containerd/; s/.* //'
    docker info --format '{{.CgroupVersion}}'"#;

pub struct Host {
    name: String,
    _image: Arc<Image>,
    release: Release,
    registry: Option<HostRegistry>,
}

impl Host {
    /// Boots a bare host with a Docker Engine and a registry, and waits until it is up.
    pub fn boot() -> Self {
        let release = Release::chosen();
        let image = Image::get(&release);
        let name = format!("dreichor-host-{}", unique());
        let mut run = Command::new("docker");
        run.arg("run").arg("--name").arg(&name).args(RUN);
        succeed(
            "docker run",
            run.args([&image.0, "sh", "-c", &release.init(&name)]),
        );
        let mut host = Self {
            name,
            _image: image,
            release,
            registry: None,
        };
        host.write("/usr/local/bin/ask", ASK);
        host.ok("chmod 755 /usr/local/bin/ask");
        host.up();
        host.release.assert_is(&host.ok(TOLD));
        host
    }

    /// Boots a host that has the package and, in both environments, an agent that can deploy.
    pub fn with_agents() -> Self {
        let host = Self::boot();
        host.install_package(VERSION);
        for environment in ["dev", "prod"] {
            host.furnish(environment);
            host.ok(&format!(
                "dreichor-deploy-agent-setup install {environment}"
            ));
        }
        host.acknowledge("prod");
        host
    }

    /// Waits for the end of the boot; the registry starts with it.
    fn up(&mut self) {
        self.until(
            "systemd answers",
            30,
            "systemctl is-system-running --wait | grep -qE 'running|degraded'",
        );
        self.until("the engine answers", 30, "docker version");
        let mut inspect = Command::new("docker");
        inspect.args(["inspect", "--format", "{{.State.Pid}}", &self.name]);
        let pid = succeed("docker inspect", &mut inspect);
        self.registry = Some(HostRegistry::start(pid.trim().parse().expect("a process")));
    }

    /// Shuts the host down in order, and boots it again.
    pub fn reboot(&mut self) {
        self.registry = None;
        let mut stop = Command::new("docker");
        succeed(
            "docker restart",
            stop.args(["restart", "--time", "30", &self.name]),
        );
        self.up();
    }

    /// What Docker calls its container.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn registry(&self) -> &HostRegistry {
        self.registry.as_ref().expect("a booted host has one")
    }

    /// Settings and environment of the runtime, as an operator writes them; the confirmation is short.
    pub fn furnish(&self, environment: &str) {
        let base = format!("/opt/dreichor/{environment}");
        self.ok(&format!(
            "install -d {base}/deploy-agent && cd {base} && \
             {{ cat /usr/share/dreichor-deploy-agent/settings/{environment}.env; \
                echo IMAGE_REPOSITORY={REPOSITORY}; echo START_CONFIRMATION_SECONDS=1; }} >deploy-agent/.env && \
             printf 'EXECUTION_PLANE=paper\\nDATABASE_URL=postgres://localhost/{environment}\\n' >runtime.env && \
             chmod 600 deploy-agent/.env runtime.env"
        ));
    }

    /// Gives what its scripts said.
    pub fn install_package(&self, version: &str) -> String {
        self.copy(&package(version), &format!("/srv/{version}.deb"));
        self.ok(&format!("dpkg --install /srv/{version}.deb"))
    }

    pub fn copy(&self, file: &Path, to: &str) {
        let mut copy = Command::new("docker");
        copy.arg("cp").arg(file).arg(format!("{}:{to}", self.name));
        succeed("docker cp", &mut copy);
    }

    /// Copies a file or directory of the host into a directory here.
    pub fn fetch(&self, from: &str, into: &Path) {
        let mut copy = Command::new("docker");
        copy.arg("cp")
            .arg(format!("{}:{from}", self.name))
            .arg(into);
        succeed("docker cp", &mut copy);
    }

    pub fn write(&self, path: &str, text: &str) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        self.copy(file.path(), path);
    }

    /// Runs a script on the host.
    pub fn sh(&self, script: &str) -> Output {
        let mut exec = Command::new("docker");
        exec.args(["exec", &self.name, "bash", "-c", script]);
        exec.output().expect("docker runs")
    }

    /// Runs a script that must succeed; gives both of its outputs.
    pub fn ok(&self, script: &str) -> String {
        let (code, said) = self.said(script);
        assert_eq!(code, 0, "{script}\n{said}");
        said
    }

    /// The exit code of a script and what it said.
    pub fn said(&self, script: &str) -> (i32, String) {
        let output = self.sh(&format!("{{ {script}\n}} 2>&1"));
        let said = String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned();
        (output.status.code().unwrap_or(-1), said)
    }

    /// Waits until a script succeeds; asks on the host itself, so that waiting costs little.
    pub fn until(&self, what: &str, seconds: u64, script: &str) {
        let end = Instant::now() + Duration::from_secs(seconds);
        let looped = format!(
            "for i in $(seq 50); do {{ {script}\n}} >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1"
        );
        // A host that does not run processes yet answers at once.
        while !self.sh(&looped).status.success() {
            assert!(
                Instant::now() < end,
                "not within {seconds} s: {what}\n{:?}",
                self.said(script)
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let show = "systemctl status --no-pager --lines 0 'dreichor-*' docker; \
                journalctl --no-pager -o short-precise -n 120 -u 'dreichor-*' -u init.scope";
            eprintln!("--- the host\n{}", self.said(show).1);
        }
        self.registry = None;
        // Containers on a host that is switched off under them would leave their control groups behind.
        self.said("docker ps --all --quiet | xargs --no-run-if-empty docker rm --force; systemctl stop docker.socket docker");
        let mut remove = Command::new("docker");
        remove
            .args(["rm", "--force", "--volumes", &self.name])
            .output()
            .ok();
        self.release.sweep(&self.name);
    }
}
