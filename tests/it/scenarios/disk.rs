//! A state directory, or an engine, whose disk is full: nothing is stopped that could not be started or audited, and
//! status goes on. On a small tmpfs, so these tests need root.

use super::known::{checked, refused};
use crate::harness::World;
use crate::trail::small_disk::SmallDisk;

on_both_engines!(
    on_a_full_disk_nothing_is_started_and_status_goes_on,
    a_full_disk_of_the_engine_is_refused,
);

fn on_a_full_disk_nothing_is_started_and_status_goes_on(mut world: World) {
    let disk = SmallDisk::new("2m");
    let state = disk.state.path().display().to_string();
    world.set("STATE_DIRECTORY", &state);
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    disk.fill();
    // What was set aside for operations that had begun is used up by whole ones; then nothing begins any more.
    let mut refused = agent.deploy(&world.image("9.9.9"));
    for _ in 0..500 {
        if refused.status == 500 {
            break;
        }
        assert_eq!(refused.status, 502, "{}", refused.body);
        refused = agent.deploy(&world.image("9.9.9"));
    }
    assert!(
        refused
            .reason()
            .contains("nothing was started: the audit trail"),
        "{}",
        refused.body
    );
    super::read_only::assert_nothing_can_be_started(&world, &agent);
    let answer = agent.stop();
    assert_eq!(answer.status, 200, "a stop has its room: {}", answer.body);
    assert!(world.container().is_none());
    disk.free();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(
        answer.status, 200,
        "space mends it, without a restart: {}",
        answer.body
    );
    disk.state.assert_intact();
}

fn a_full_disk_of_the_engine_is_refused(mut world: World) {
    let disk = SmallDisk::new("96m");
    let root = disk.mounted();
    match &world.fake {
        Some(fake) => fake.root_directory(root),
        None => world.own_engine_with(&[format!("--data-root={}", root.display())]),
    }
    world.set("RUNTIME_NETWORK", "none");
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let old = world.identity();
    disk.fill();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    let place = root.display().to_string();
    let words = ["the Docker engine's disk at", place.as_str(), "is full"];
    refused(&world, &agent, &old, &answer, "preflight", &words);
    checked(&world, &words);
    disk.free();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
}
