//! `history` and `verify` find an environment's trail by its name, as on a host; and name what they cannot read. Each in a
//! view of the file system whose `/opt` is its own, which needs root.

use std::path::Path;
use std::process::Command;

use super::events::deploy;
use super::fixture::TrailDir;

/// What the command says on a host whose `/opt/dreichor` holds what `furnish` puts there, with its exit code.
fn on_a_host(furnish: &str, command: &str) -> (i32, String) {
    let agent = env!("CARGO_BIN_EXE_deploy-agent");
    let script = format!("mount -t tmpfs tmpfs /opt && {furnish} && exec {agent} {command}");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-ec", &script])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .expect("unshare runs");
    let said = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("an exit code");
    (code, String::from_utf8(said).expect("text"))
}

const PLACE: &str = "/opt/dreichor/prod/deploy-agent";

fn copied(from: &Path, to: &str) -> String {
    format!("mkdir -p {PLACE} && cp -a {} {to}", from.display())
}

#[tokio::test]
async fn history_and_verify_find_an_environment_by_its_name() {
    let dir = TrailDir::new();
    dir.life(deploy("0198-one", "r:v1")).await;
    let moved = format!(
        "{} && echo STATE_DIRECTORY=/opt/elsewhere >{PLACE}/.env",
        copied(dir.path(), "/opt/elsewhere")
    );
    let usual = copied(dir.path(), &format!("{PLACE}/state"));
    // Where it is unless the settings say otherwise, also with settings that do not name it; and where they say.
    let other = format!("{usual} && echo PORT=3006 >{PLACE}/.env");
    for furnish in [&usual, &other, &moved] {
        let (code, said) = on_a_host(furnish, "history prod");
        assert!(code == 0 && said.contains("operations: 1"), "{code} {said}");
        let (code, said) = on_a_host(furnish, "verify prod");
        assert!(code == 0 && said.contains("intact"), "{code} {said}");
    }
}

#[test]
fn the_path_that_a_name_stands_for_is_in_the_error() {
    let settings = format!("mkdir -p {PLACE} && echo STATE_DIRECTORY=/opt/elsewhere >{PLACE}/.env");
    for (furnish, command, path) in [
        (
            "true",
            "history dev",
            "/opt/dreichor/dev/deploy-agent/state",
        ),
        (
            "true",
            "verify prod",
            "/opt/dreichor/prod/deploy-agent/state",
        ),
        (&settings, "history prod", "/opt/elsewhere"),
        (&settings, "verify prod", "/opt/elsewhere"),
        (
            "mkdir -p /opt/dreichor/dev/deploy-agent/state",
            "verify dev",
            "/opt/dreichor/dev/deploy-agent/state",
        ),
    ] {
        let (code, said) = on_a_host(furnish, command);
        assert_ne!(code, 0, "{command}: {said}");
        assert!(said.contains(path), "{command}: {said}");
    }
}
