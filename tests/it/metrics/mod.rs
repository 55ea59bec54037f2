//! What the agent writes for a monitor, and what tells an operator.

mod scraped;
mod watch;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::harness::{Kind, World, until};

/// A world whose agent writes `file`.
fn measured(environment: &str, file: &Path) -> World {
    let mut world = World::new(Kind::Fake);
    world.set("ENVIRONMENT", environment);
    world.name = world.name.replace("-dev", &format!("-{environment}"));
    let name = world.name.clone();
    world.set("CONTAINER_NAME", &name);
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.set("METRICS_FILE", &file.display().to_string());
    world
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

/// Waits until the file has a line that begins so.
fn until_it_says(file: &Path, line: &str) {
    until(line, Duration::from_secs(15), || {
        read(file).lines().any(|found| found.starts_with(line))
    });
}

#[test]
fn the_metrics_tell_what_runs_what_ended_and_what_holds() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("dreichor-dev.prom");
    let mut world = measured("dev", &file);
    world.set("QUEUE_CAPACITY", "2");
    world.push("1.0.0", &["run"]);
    let mut agent = world.agent();
    until_it_says(&file, "dreichor_runtime_up{environment=\"dev\"} 0");
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert_eq!(agent.deploy(&world.image("missing")).status, 502);
    let count = |kind: &str, outcome: &str, count: u64| {
        let labels = format!("{{environment=\"dev\",kind=\"{kind}\",outcome=\"{outcome}\"}}");
        format!("dreichor_operations_total{labels} {count}")
    };
    until_it_says(&file, &count("deploy", "failed", 1));
    let text = read(&file);
    for line in [
        "dreichor_runtime_up{environment=\"dev\"} 1",
        "dreichor_runtime_outage_seconds{environment=\"dev\"} 0",
        "dreichor_runtime_start_time_seconds{environment=\"dev\"} 1",
        "dreichor_last_success_time_seconds{environment=\"dev\"} 1",
        "dreichor_last_operation_failed{environment=\"dev\"} 1",
        &count("deploy", "succeeded", 1),
        &count("stop", "interrupted", 0),
        "dreichor_operation_duration_seconds_count{environment=\"dev\",kind=\"deploy\"} 2",
        "dreichor_operations_waiting{environment=\"dev\"} 0",
        "dreichor_view_age_seconds{environment=\"dev\"} ",
        "dreichor_frozen{environment=\"dev\"} 0",
        "dreichor_signature_policy{environment=\"dev\",policy=\"off\"} 1",
        "dreichor_signature_policy{environment=\"dev\",policy=\"enforce\"} 0",
        "dreichor_trail_head{environment=\"dev\"} ",
        "dreichor_trail_writable{environment=\"dev\"} 1",
        "dreichor_trail_damage{environment=\"dev\"} 0",
        "dreichor_engine_answers{environment=\"dev\"} 1",
        "dreichor_images{environment=\"dev\"} ",
        "dreichor_images_bytes{environment=\"dev\"} ",
        "dreichor_state_disk_free_bytes{environment=\"dev\"} ",
        "dreichor_agent_info{environment=\"dev\",version=",
    ] {
        assert!(
            text.lines().any(|found| found.starts_with(line)),
            "{line}: {text}"
        );
    }
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644, "the exporter reads it");
    assert_eq!(
        world
            .operator("freeze", &["--reason", "x", "--until", "1h"])
            .0,
        0
    );
    assert_eq!(agent.stop().status, 200);
    until_it_says(&file, "dreichor_frozen{environment=\"dev\"} 1");
    until_it_says(
        &file,
        "dreichor_freeze_end_time_seconds{environment=\"dev\"} 1",
    );
    until_it_says(&file, "dreichor_runtime_up{environment=\"dev\"} 0");
    // What was counted is not forgotten by a kill; what is no longer true is taken away at the end.
    agent.signal("KILL");
    agent.wait();
    assert!(file.exists(), "its age tells of the kill");
    let mut agent = world.agent();
    until_it_says(&file, &count("deploy", "failed", 1));
    agent.signal("TERM");
    assert!(agent.wait().success());
    assert_eq!(
        std::fs::read_dir(directory.path())
            .expect("readable")
            .count(),
        0
    );
}

#[test]
fn a_file_that_cannot_be_written_fails_no_deploy_and_is_told_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing");
    let file = missing.join("dreichor-dev.prom");
    let world = measured("dev", &file);
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    for _ in 0..2 {
        assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    }
    until("it is told", Duration::from_secs(10), || {
        agent.log().contains("METRICS_FILE")
    });
    // A directory in its place, and then a place.
    let prepared = directory.path().join("prepared");
    std::fs::create_dir_all(prepared.join("dreichor-dev.prom")).expect("made");
    std::fs::rename(&prepared, &missing).expect("in place at once");
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    std::fs::remove_dir(&file).expect("removed");
    until_it_says(&file, "dreichor_runtime_up{environment=\"dev\"} 1");
    // Once that it cannot be written, and once, a moment behind the file, that it can.
    let told = || agent.log().matches("METRICS_FILE").count();
    until("both are told", Duration::from_secs(10), || told() >= 2);
    assert_eq!(told(), 2, "{}", agent.log());
}
