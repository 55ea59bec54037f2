//! A runtime that exits with 0 once it is ready and is brought back by the restart policy, with growing pauses: to the
//! agent it runs at every moment of that loop. One that loops with errors does not while it waits.

use std::time::{Duration, Instant};

use dreichor_test_support::database::Database;
use dreichor_test_support::fake_engine::{Fault, Kind as Fails, Verb};
use serde_json::{Value, json};

use crate::harness::{Agent, Kind, Runtime, World, until};

on_both_engines!(
    after_every_deploys_200_the_status_shows_it_running,
    events_that_come_late_fail_no_deploy,
    the_status_stays_true_and_its_start_moves_on_with_each_start,
    a_loop_that_loses_its_database_is_not_running_while_it_waits,
    a_deploy_replaces_the_loop_while_it_waits,
    a_deploy_replaces_the_loop_while_it_executes,
    a_stop_while_it_waits_sticks,
);

const DEPLOYS: usize = 40;
/// Long enough for the pauses to grow to their longest but one, of 51 s.
const LONG_LOOP: Duration = Duration::from_secs(125);
/// As often as somebody who watches it would ask.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Longer than the pauses up to the fifth restart and the runs between them.
const SOON: Duration = Duration::from_secs(20);
/// What an event needs at most from the engine to the status on a busy machine.
const EVENT_DELAY: Duration = Duration::from_millis(500);

/// Later than that an event is rare even on a very busy machine.
const LATE: Duration = Duration::from_millis(1500);

fn deployed(world: &mut World) -> Agent {
    world.runtime = Runtime::Loops;
    world.push_runtime("1.0.0");
    world.push_runtime("2.0.0");
    let agent = world.agent();
    assert_running(world, &agent, "1.0.0");
    agent
}

/// Deploys, and reads the status once, as a pipeline does.
fn assert_running(world: &World, agent: &Agent, tag: &str) -> String {
    let answer = agent.deploy(&world.image(tag));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_status_runs(world, agent, tag)
}

/// Gives the start.
fn assert_status_runs(world: &World, agent: &Agent, tag: &str) -> String {
    let status = agent.status();
    assert_eq!(status["running"], true, "{status}");
    assert_eq!(status["image"], world.image(tag), "{status}");
    let started = status["started_at"].as_str();
    started
        .unwrap_or_else(|| panic!("no start: {status}"))
        .to_owned()
}

/// The state of a container that waits for at least its so-manieth restart.
fn waits(world: &World, restarts: u64) -> Option<Value> {
    let shown = world.shown();
    let waits = shown["State"]["Restarting"] == true;
    let enough = shown["RestartCount"].as_u64().expect("a number") >= restarts;
    (waits && enough).then(|| json!([shown["RestartCount"], shown["State"]["ExitCode"]]))
}

fn until_it_waits(world: &World, restarts: u64) {
    until("it waits", SOON, || waits(world, restarts).is_some());
}

fn after_every_deploys_200_the_status_shows_it_running(mut world: World) {
    let agent = deployed(&mut world);
    let mut starts = vec![String::new()];
    for turn in 0..DEPLOYS {
        let tag = ["2.0.0", "1.0.0"][turn % 2];
        starts.push(assert_running(&world, &agent, tag));
    }
    let moves_on = starts.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(moves_on, "{starts:?}");
}

/// As on a busy host: an inspect is ahead of what the events tell.
fn events_that_come_late_fail_no_deploy(mut world: World) {
    world.runtime = Runtime::Loops;
    world.set("START_CONFIRMATION_SECONDS", "2");
    world.push_runtime("1.0.0");
    let proxy = world.proxied();
    let late = Fault::after(Verb::Events, Fails::Late(LATE));
    world.controls(&proxy).inject(late);
    let agent = world.agent();
    assert_running(&world, &agent, "1.0.0");
    assert!(world.shown()["RestartCount"].as_u64() >= Some(1));
    world.push("1.0.1", &["crash-after", "300"]);
    let answer = agent.deploy(&world.image("1.0.1"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(
        answer.body.contains("exited with code 3"),
        "{}",
        answer.body
    );
}

/// The status of this moment must be running; its start is noted if it is another than the last.
fn note_start(world: &World, agent: &Agent, starts: &mut Vec<String>) {
    let started = assert_status_runs(world, agent, "1.0.0");
    if starts.last() != Some(&started) {
        starts.push(started);
    }
}

fn the_status_stays_true_and_its_start_moves_on_with_each_start(mut world: World) {
    let agent = deployed(&mut world);
    let mut starts: Vec<String> = Vec::new();
    let end = Instant::now() + SOON;
    while starts.len() < 5 {
        assert!(Instant::now() < end, "{starts:?}");
        note_start(&world, &agent, &mut starts);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(starts.is_sorted(), "{starts:?}");
    assert!(world.database.connections() >= 4, "it reached its database");
}

fn a_loop_that_loses_its_database_is_not_running_while_it_waits(mut world: World) {
    let agent = deployed(&mut world);
    let port = world.database.port();
    world.database.stop();
    let mut failed = None;
    until("it waits after a failure", SOON, || {
        failed = waits(&world, 5);
        failed.as_ref().is_some_and(|shown| shown[1] == 1)
    });
    std::thread::sleep(EVENT_DELAY);
    let mut looks = 0;
    loop {
        let status = agent.status();
        if waits(&world, 5) != failed {
            break;
        }
        assert_eq!(status["running"], false, "{status}");
        assert_eq!(status.get("started_at"), None, "{status}");
        looks += 1;
    }
    assert!(looks > 0, "the pause was long enough to look");
    world.database = Database::on(port);
    until("it ends cleanly again", SOON, || {
        waits(&world, 6).is_some_and(|shown| shown[1] == 0)
    });
    agent.status_until(EVENT_DELAY, |answer| answer.json()["running"] == true);
}

fn replaces(world: &World, agent: &Agent) {
    let old = world.id();
    assert_running(world, agent, "2.0.0");
    assert_ne!(world.id(), old);
    assert_eq!(world.count(), 1);
    let ended = world.events("predecessor_ended").pop().expect("an end");
    assert_eq!(
        (&ended["container_id"], &ended["exit_code"]),
        (&json!(old), &json!(0))
    );
}

fn a_deploy_replaces_the_loop_while_it_waits(mut world: World) {
    let agent = deployed(&mut world);
    until_it_waits(&world, 4);
    replaces(&world, &agent);
}

fn a_deploy_replaces_the_loop_while_it_executes(mut world: World) {
    let agent = deployed(&mut world);
    until_it_waits(&world, 2);
    until("it executes", SOON, || {
        let state = &world.shown()["State"];
        state["Restarting"] == false && state["Pid"] != 0
    });
    replaces(&world, &agent);
}

fn a_stop_while_it_waits_sticks(mut world: World) {
    let agent = deployed(&mut world);
    until_it_waits(&world, 3);
    assert_eq!(agent.stop().status, 200);
    let expected = json!({ "container_name": world.name, "running": false });
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert!(world.container().is_none());
        assert_eq!(agent.status(), expected);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Pauses grow to the engine's longest only in minutes, which the fake engine need not show again.
#[test]
fn through_two_minutes_of_growing_pauses_every_status_is_running() {
    let mut world = World::new(Kind::Real);
    let agent = deployed(&mut world);
    let end = Instant::now() + LONG_LOOP;
    let mut starts: Vec<String> = Vec::new();
    while Instant::now() < end {
        note_start(&world, &agent, &mut starts);
        std::thread::sleep(ASK_EVERY);
    }
    assert!(starts.len() >= 8, "{starts:?}");
    assert!(starts.is_sorted(), "{starts:?}");
}
