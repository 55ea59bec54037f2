//! `examples/quickstart`, and with it `examples/registry.rs`, on the engine at hand.

use std::process::Command;

use crate::harness::real_socket;
use crate::host_files::root;

#[test]
fn the_quickstart_shows_the_main_job_and_leaves_nothing_behind() {
    let socket = real_socket();
    let run = Command::new(root().join("examples/quickstart"))
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("TMPDIR", std::env::temp_dir())
        .output()
        .expect("bash runs");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
    assert!(run.status.success(), "{said}");
    assert!(!said.contains("was expected"), "{said}");
    for shown in [
        "\"status\":\"deployed\"",
        "\"status\":\"stopped\"",
        "runtime:1.0.1",
        "intact: ",
    ] {
        assert!(said.contains(shown), "{shown}:\n{said}");
    }
    let repository = said
        .split("-d '{\"image\":\"")
        .nth(1)
        .expect("a deploy is shown");
    let repository = repository.split(":1.0.0").next().expect("a reference");
    let images = Command::new("docker")
        .args(["images", "--quiet", repository])
        .output();
    assert_eq!(
        String::from_utf8_lossy(&images.expect("docker runs").stdout),
        "",
        "{repository}"
    );
}
