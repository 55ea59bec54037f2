//! What a person copies or runs: every file below `examples/` is run by a test.

mod operator;
mod quickstart;
mod runner;
mod stand_in;
mod workflow;

use std::path::PathBuf;

use dreichor_test_support::fake_engine::WhileAway;
use dreichor_test_support::images::digest;

use crate::harness::{Agent, CLIENT_ID, CLIENT_SECRET, Kind, World};
use crate::host_files::{files_below, root};

/// `benchmark` runs `measure/`, and measures instead of testing: its figures are not for a test. Its parts are built
/// with every lint of the tests, and unit-tested where they calculate.
const MEASUREMENT: &str = "measure/";

#[test]
fn every_file_of_the_examples_is_run_by_some_test() {
    let mut found = files_below(&root().join("examples"));
    found.retain(|file| !file.starts_with(MEASUREMENT));
    found.sort();
    let known = [
        "benchmark",
        "deploy.yml",
        "operator",
        "quickstart",
        "registry.rs",
    ];
    assert_eq!(
        found, known,
        "a file under examples/ is run by a test, then named here"
    );
}

/// An agent that knows its token, in a world with a first image.
fn agent_with_token(kind: Kind) -> (World, Agent) {
    let mut world = World::new(kind);
    world.push("1.0.0", &["run"]);
    world.set("CF_ACCESS_CLIENT_ID", CLIENT_ID);
    let hash = digest(CLIENT_SECRET.as_bytes());
    world.set(
        "CF_ACCESS_CLIENT_SECRET_SHA256",
        hash.trim_start_matches("sha256:"),
    );
    let agent = world.agent();
    (world, agent)
}

fn engine_goes_away(world: &World) {
    let fake = world.fake.as_ref().expect("a fake engine");
    fake.crash(WhileAway::Killed);
}

/// A directory with a `curl` that writes down its arguments before it becomes the real one.
fn watched_curl(world: &World) -> PathBuf {
    let directory = world.path("bin");
    std::fs::create_dir_all(&directory).expect("made");
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >>{}\nexec /usr/bin/curl \"$@\"\n",
        world.path("curl.arguments").display()
    );
    let curl = directory.join("curl");
    std::fs::write(&curl, script).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(curl, mode).expect("made a program");
    directory
}

/// The search path with that directory in front.
fn path_with(directory: &std::path::Path) -> String {
    format!("{}:/usr/bin:/bin", directory.display())
}

/// What `curl` was called with; the token must not be in it.
fn assert_that_no_secret_was_an_argument(world: &World) {
    let arguments = std::fs::read_to_string(world.path("curl.arguments")).expect("curl was called");
    assert!(arguments.contains("/v1/status"), "{arguments}");
    for secret in [CLIENT_ID, CLIENT_SECRET] {
        assert!(!arguments.contains(secret), "{arguments}");
    }
}
