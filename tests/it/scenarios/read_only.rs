//! A state directory that turns read-only or falls silent: nothing starts that cannot be recorded, a stop is carried out,
//! and status goes on.

use std::time::{Duration, Instant};

use dreichor_test_support::images::ImageSpec;
use dreichor_test_support::registry::{Fault, What};
use serde_json::json;

use super::loop_disk::{Disk, run};
use crate::harness::{Agent, World, until};

on_both_engines!(
    after_an_error_of_the_disk_nothing_is_started_and_status_goes_on,
    a_disk_that_fails_during_a_pull_leaves_the_old_container,
    a_trail_that_may_not_be_changed_is_found_again_without_a_restart,
    an_agent_does_not_start_on_a_read_only_directory,
    a_silent_disk_does_not_hold_up_a_stop,
);

/// A deploy of 2.0.0 is refused while 1.0.0 runs on and is shown.
pub fn assert_nothing_can_be_started(world: &World, agent: &Agent) {
    let id = world.id();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    let reason = answer.reason();
    assert!(
        reason.contains("nothing was started: the audit trail"),
        "{reason}"
    );
    assert_eq!(world.id(), id);
    assert_eq!(world.shown()["State"]["Running"], true);
    let status = agent.status();
    assert_eq!(
        (&status["running"], &status["image"]),
        (&json!(true), &json!(world.image("1.0.0")))
    );
}

/// A stop that cannot be recorded is carried out, and its answer says both.
pub fn assert_stopped_without_a_record(world: &World, agent: &Agent, why: &str) {
    let answer = agent.stop();
    assert_eq!(answer.status, 500, "{}", answer.body);
    let reason = answer.reason();
    for part in [
        "stop took effect, but its outcome could not be recorded",
        why,
        "no runtime container exists now",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert!(world.container().is_none());
    assert_eq!(agent.status()["running"], false);
}

fn after_an_error_of_the_disk_nothing_is_started_and_status_goes_on(mut world: World) {
    let mut disk = Disk::under(&mut world);
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    disk.fail();
    assert_nothing_can_be_started(&world, &agent);
    // It does not go away by itself.
    assert_nothing_can_be_started(&world, &agent);
    assert_stopped_without_a_record(&world, &agent, "Read-only file system");
    let log = world.path("agent.log");
    agent.end();
    // What found no place in the trail to the end is in the log.
    let log = std::fs::read_to_string(log).expect("readable");
    let kept = log
        .lines()
        .filter(|line| line.contains("not in the audit trail"));
    let kept: Vec<&str> = kept.collect();
    for event in ["operation_started", "predecessor_ended", "operation_ended"] {
        assert!(
            kept.iter().any(|line| line.contains(event)),
            "{event}: {kept:#?}"
        );
    }
    disk.mend();
    let agent = world.agent();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    agent.end();
    disk.assert_intact();
}

fn a_disk_that_fails_during_a_pull_leaves_the_old_container(mut world: World) {
    let mut disk = Disk::under(&mut world);
    world.push("1.0.0", &["run"]);
    world.push_spec("2.0.0", ImageSpec::mode(&["run"]).extra_bytes(200_000));
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let id = world.id();
    let image = world.image("2.0.0");
    world.registry.fault(What::Blob, Fault::Drip(8 * 1024));
    let answer = std::thread::scope(|scope| {
        let deploy = scope.spawn(|| agent.deploy(&image));
        until("the pull is under way", Duration::from_secs(10), || {
            let trail = std::fs::read_to_string(disk.state().join("audit.jsonl"));
            trail.expect("readable").matches(r#""step":"pull""#).count() > 2
        });
        disk.fail();
        deploy.join().expect("answered")
    });
    world.registry.heal();
    assert_eq!(answer.status, 500, "{}", answer.body);
    let reason = answer.reason();
    assert!(
        reason.contains("the audit trail") && reason.contains("is running"),
        "{reason}"
    );
    assert_eq!(world.id(), id);
    assert_nothing_can_be_started(&world, &agent);
    agent.end();
    disk.mend();
    // What it could not say then, it says now.
    let agent = world.agent();
    until("it is closed", Duration::from_secs(10), || {
        let text = std::fs::read_to_string(disk.state().join("audit.jsonl"));
        text.expect("readable").contains("operation_interrupted")
    });
    let answer = agent.deploy(&image);
    assert_eq!(answer.status, 200, "{}", answer.body);
    agent.end();
    disk.assert_intact();
}

fn a_trail_that_may_not_be_changed_is_found_again_without_a_restart(mut world: World) {
    let disk = Disk::under(&mut world);
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let trail = disk.state().join("audit.jsonl").display().to_string();
    assert!(run("chattr", &["+i", &trail]));
    assert_nothing_can_be_started(&world, &agent);
    assert_stopped_without_a_record(&world, &agent, "Operation not permitted");
    assert!(run("chattr", &["-i", &trail]));
    until("the stop is recorded", Duration::from_secs(30), || {
        disk.trail()
            .contains(r#""kind":"stop","outcome":"succeeded""#)
    });
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    agent.end();
    disk.assert_intact();
}

fn an_agent_does_not_start_on_a_read_only_directory(mut world: World) {
    let disk = Disk::under(&mut world);
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let id = world.id();
    agent.end();
    disk.remount("ro");
    let log = world.path("agent.log");
    let mut agent = Agent::launch(&world.env_file(), world.port, &log, &[]);
    assert_eq!(agent.wait().code(), Some(1), "{}", agent.log());
    let said = agent.log();
    let last = said.lines().last().expect("it says why");
    assert!(
        last.contains("Read-only file system") && last.contains("disk/state"),
        "{last}"
    );
    assert_eq!(world.id(), id);
    disk.remount("rw");
    let agent = world.agent();
    assert_eq!(agent.stop().status, 200);
    agent.end();
    disk.assert_intact();
}

fn a_silent_disk_does_not_hold_up_a_stop(mut world: World) {
    let disk = Disk::under(&mut world);
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    disk.freeze();
    let begun = Instant::now();
    assert_stopped_without_a_record(&world, &agent, "does not answer");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    disk.thaw();
    until("the stop is recorded", Duration::from_secs(30), || {
        disk.trail()
            .contains(r#""kind":"stop","outcome":"succeeded""#)
    });
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    agent.end();
    disk.assert_intact();
}
