//! Everything under `examples/` is run here as its reader would run it.

/// Makes a test of each scenario for each runner.
macro_rules! by_each_runner {
    ($($name:ident),+ $(,)?) => {
        mod by_hand {
            use super::Runner;
            $(#[test] fn $name() { super::$name(Runner::ByHand); })+
        }
        mod by_act {
            use super::Runner;
            $(#[test] fn $name() { super::$name(Runner::Act); })+
        }
    };
}

mod act;
mod by_hand;
mod operator;
mod runner;
mod stub;
mod workflow;
mod workflow_answers;
mod workflow_file;
mod workflow_input;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{self, CLIENT_ID, CLIENT_SECRET, Runtime, World};

/// What an example said, and whether it ended well.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a script in an environment of its own; a secret in what it says, or on a command line, fails the test.
fn run(command: &mut Command, curl_log: &Path) -> Said {
    let bin = curl_that_logs(curl_log);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
    let output = command.env("PATH", path).output();
    let output = output.expect("it starts; ./tests/run installs what tests call");
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said).into_owned();
    let arguments = std::fs::read_to_string(curl_log).unwrap_or_default();
    for said in [&text, &arguments] {
        assert!(!said.contains(CLIENT_SECRET), "a secret is in what it said");
    }
    Said {
        code: output.status.code(),
        text,
    }
}

/// A directory with a `curl` that writes down its arguments before it is the real one.
fn curl_that_logs(log: &Path) -> PathBuf {
    let bin = log.with_extension("bin");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >>'{}'\nexec /usr/bin/curl \"$@\"\n",
        log.display()
    );
    put_program(&bin, "curl", &script);
    bin
}

fn put_program(bin: &Path, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(bin).expect("made");
    let program = bin.join(name);
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("executable");
}

/// A world with two good images of a long-lived runtime.
fn world(kind: harness::Kind) -> World {
    world_of(kind, Runtime::Serves)
}

/// The same with a runtime of this kind.
fn world_of(kind: harness::Kind, runtime: Runtime) -> World {
    let mut world = World::with_runtime(kind, runtime);
    world.set("START_CONFIRMATION_SECONDS", "0");
    for tag in ["1.0.0", "1.0.1"] {
        world.push_runtime(tag);
    }
    world
}

#[test]
fn every_example_is_run_by_some_test() {
    let mut found: Vec<String> = crate::host_files::files_below(&root().join("examples"));
    // Modules of the benchmark's program.
    found.retain(|file| !file.starts_with("measure/"));
    found.sort();
    let known = [
        "README.md",
        "benchmark",
        "github-actions/deploy.yml",
        "operator",
        "quickstart",
        "registry.rs",
        "signing.md",
    ];
    assert_eq!(found, known, "an example is run by a test, then named here");
}

fn example(words: &[&str]) -> String {
    let (script, words) = words.split_first().expect("a script");
    let output = Command::new(root().join(script))
        .args(words)
        .env(
            "DOCKER_HOST",
            format!("unix://{}", harness::real_socket().display()),
        )
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    said
}

/// The quick start as a newcomer runs it; it uses `examples/registry.rs`.
#[test]
fn the_quickstart_does_what_it_shows() {
    let said = example(&["examples/quickstart"]);
    for shown in [
        "200 {\"status\":\"deployed\"",
        "422 {\"status\":\"error\"",
        "502 {\"status\":\"error\"",
        "200 {\"status\":\"stopped\"",
        "\"running\":false",
        "intact",
        "READY",
    ] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    let (_, looping) = said
        .split_once("runtime:2.0.0")
        .expect("the one that loops");
    let (looping, _) = looping.split_once("/v1/stop").expect("its stop");
    assert_eq!(looping.matches("\"running\":true").count(), 3, "{said}");
}

/// Every figure that it promises, each taken a few times; not what they are.
#[test]
fn the_benchmark_shows_every_figure() {
    let said = example(&["examples/benchmark", "--try"]);
    for shown in [
        "deploy reply",
        "downtime",
        "throughput over the bare route",
        "p99 while deploys run over the idle one",
        "Staleness",
        "start to the first status",
        "binary",
        "resident MiB, idle",
        "resident MiB after 2,000 requests",
        "wake-ups a second, idle",
        "idle connections, the agent",
        "Growth of the trail",
        "goals met",
    ] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
}
