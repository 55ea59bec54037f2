//! Podman in the place of the engine: it answers like Docker until a pull ends without saying what it pulled. So it is named
//! before anything else. The real one, as Debian has it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Kind, World, engine_call, until};

/// Podman's service on a socket of its own; ends with its value.
struct Podman(Child);

impl Podman {
    fn start(directory: &Path, socket: &Path) -> Self {
        let service = Command::new("podman")
            .arg("--root")
            .arg(directory.join("store"))
            .arg("--runroot")
            .arg(directory.join("run"))
            .args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
            .args(["system", "service", "--time", "0"])
            .arg(format!("unix://{}", socket.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("podman is installed: ./tests/run sees to it");
        let service = Self(service);
        until("podman answers", Duration::from_secs(30), || {
            socket.exists()
        });
        let version = engine_call(socket, "GET", "/version", None);
        assert!(version.body.contains("Podman Engine"), "{}", version.body);
        service
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_real_podman_is_named_by_check_and_by_a_deploy() {
    let mut world = World::new(Kind::Fake);
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("podman.sock");
    let _podman = Podman::start(directory.path(), &socket);
    world.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
    world.push("1.0.0", &["run"]);
    let words = ["Podman Engine", "is no Docker Engine"];
    let check = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .args([
            "check",
            "--env-file",
            &world.env_file().display().to_string(),
        ])
        .env_clear()
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(
        (check.status.success(), answer.status),
        (false, 502),
        "{said}"
    );
    for word in words {
        assert!(said.contains(word), "{word} is not in: {said}");
        assert!(answer.reason().contains(word), "{}", answer.body);
    }
    assert!(
        answer.reason().starts_with("preflight failed: "),
        "{}",
        answer.body
    );
}
