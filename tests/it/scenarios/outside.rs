//! What others do to the container while the agent watches.

use std::time::Duration;

use crate::harness::{Agent, World};

on_both_engines!(
    a_killed_container_is_not_called_running,
    a_restarted_container_shows_its_new_start,
    a_removed_container_is_gone,
    a_paused_container_is_not_called_running,
);

const SOON: Duration = Duration::from_secs(5);

fn running(world: &mut World) -> Agent {
    world.set("RUNTIME_RESTART_POLICY", "no");
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    agent
}

fn a_killed_container_is_not_called_running(mut world: World) {
    let agent = running(&mut world);
    world.act(&world.id(), "kill?signal=KILL");
    let answer = agent.status_until(SOON, |answer| answer.json()["running"] == false);
    assert_eq!(answer.json().get("started_at"), None);
}

fn a_restarted_container_shows_its_new_start(mut world: World) {
    let agent = running(&mut world);
    let before = agent.status()["started_at"].clone();
    world.act(&world.id(), "restart?t=1");
    agent.status_until(SOON, |answer| {
        let status = answer.json();
        status["running"] == true && status["started_at"] != before
    });
    assert_eq!(
        agent.status()["started_at"],
        world.shown()["State"]["StartedAt"]
    );
}

fn a_removed_container_is_gone(mut world: World) {
    let agent = running(&mut world);
    world.remove(&world.id());
    agent.status_until(SOON, |answer| answer.json()["running"] == false);
    // And the next operations work from there.
    assert_eq!(agent.stop().status, 200);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
}

fn a_paused_container_is_not_called_running(mut world: World) {
    let agent = running(&mut world);
    let id = world.id();
    world.act(&id, "pause");
    agent.status_until(SOON, |answer| answer.json()["running"] == false);
    world.act(&id, "unpause");
    agent.status_until(SOON, |answer| answer.json()["running"] == true);
}
