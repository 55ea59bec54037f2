//! What happens to the container between operations is in the trail: each act of somebody else once, each loop of the
//! restart policy once, and nothing of the agent's own.

use std::time::Duration;

use dreichor_test_support::fake_engine::{Fault, Kind as Fails, Verb};
use serde_json::{Value, json};

use crate::harness::{Agent, World, until};

on_both_engines!(
    every_act_of_somebody_else_is_one_record,
    the_agents_own_acts_are_no_observations,
    a_restart_loop_is_one_record_with_a_count_and_a_span,
    what_no_event_tells_the_inspects_find,
    a_container_of_another_maker_is_recorded_as_such,
);

const SOON: Duration = Duration::from_secs(30);
/// As fast as a person is.
const ACTS_APART: Duration = Duration::from_secs(1);

fn quick(world: &mut World, policy: &str) -> Agent {
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.set("STOP_GRACE_SECONDS", "0");
    world.set("RUNTIME_RESTART_POLICY", policy);
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    world.agent()
}

fn deployed(world: &World, agent: &Agent, tag: &str) -> String {
    let answer = agent.deploy(&world.image(tag));
    assert_eq!(answer.status, 200, "{}", answer.body);
    world.id()
}

/// The observations so far, as `what by whom`.
fn seen(world: &World) -> Vec<String> {
    let records = world.events("runtime_observed");
    let words = |record: &Value| {
        let text = |field: &str| record[field].as_str().expect("a word").to_owned();
        format!("{} {}", text("observed"), text("by"))
    };
    records.iter().map(words).collect()
}

fn renamed(world: &World, id: &str, name: &str) {
    world.act(id, &format!("rename?name={name}"));
}

fn updated(world: &World, id: &str) {
    let path = format!("/containers/{id}/update");
    let limits = json!({ "RestartPolicy": { "Name": "on-failure" } });
    assert_eq!(world.engine("POST", &path, Some(&limits)).status, 200);
}

pub(super) fn every_act_of_somebody_else_is_one_record(mut world: World) {
    let agent = quick(&mut world, "no");
    let id = deployed(&world, &agent, "1.0.0");
    let mut expected = vec!["absent unknown"];
    for (act, record) in [
        ("pause", "paused somebody"),
        ("unpause", "unpaused somebody"),
        ("restart?t=0", "restarted somebody"),
        ("kill?signal=USR1", "signalled somebody"),
        ("pause", "paused somebody"),
        ("stop?t=0", "stopped somebody"),
        ("start", "started somebody"),
        ("kill?signal=KILL", "killed somebody"),
        ("start", "started somebody"),
    ] {
        world.act(&id, act);
        expected.push(record);
        // The engine itself tells an act twice when the next one comes before containerd has told it of the first.
        std::thread::sleep(ACTS_APART);
    }
    let other = format!("{}-aside", world.name);
    updated(&world, &id);
    renamed(&world, &id, &other);
    renamed(&world, &id, &world.name);
    expected.extend(["updated somebody", "renamed somebody", "renamed somebody"]);
    world.remove(&id);
    let taker = world.foreign_container("2.0.0", "no");
    world.act(&taker, "start");
    world.remove(&taker);
    expected.extend(["removed somebody", "replaced somebody", "removed somebody"]);
    world.observed(expected.len());
    assert_eq!(seen(&world), expected);
    agent.end();
    assert_eq!(seen(&world), expected, "and nothing behind them");
    let records = world.events("runtime_observed");
    let killed = records.iter().find(|record| record["observed"] == "killed");
    let killed = killed.expect("one was");
    assert_eq!(
        (&killed["exit_code"], &killed["signal"]),
        (&json!(137), &json!("9"))
    );
    assert_eq!(
        (&killed["container_id"], &killed["up"]),
        (&json!(id), &json!(false))
    );
    assert_eq!(killed["image"], world.image("1.0.0"));
    assert!(
        killed["ended_at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z')),
        "{killed}"
    );
}

fn the_agents_own_acts_are_no_observations(mut world: World) {
    world.push("0.0.1", &["crash"]);
    let agent = quick(&mut world, "unless-stopped");
    for tag in ["1.0.0", "2.0.0", "1.0.0"] {
        deployed(&world, &agent, tag);
    }
    assert_eq!(agent.stop().status, 200);
    deployed(&world, &agent, "2.0.0");
    agent.end();
    world.set("START_CONFIRMATION_SECONDS", "1");
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("0.0.1")).status, 500);
    assert_eq!(agent.deploy(&world.image("9.9.9")).status, 502);
    agent.end();
    assert_eq!(seen(&world), ["absent unknown", "present unknown"]);
}

fn a_restart_loop_is_one_record_with_a_count_and_a_span(mut world: World) {
    world.push("3.0.0", &["crash-after", "600"]);
    let agent = quick(&mut world, "always");
    deployed(&world, &agent, "1.0.0");
    let id = deployed(&world, &agent, "3.0.0");
    let count = || world.shown()["RestartCount"].as_u64().expect("a count");
    until("it loops", SOON, || count() >= 3);
    world.act(&id, "stop?t=0");
    let looped = count();
    world.observed(3);
    agent.end();
    assert_eq!(
        seen(&world),
        [
            "absent unknown",
            "brought_back restart_policy",
            "stopped somebody"
        ]
    );
    let records = world.events("runtime_observed");
    // The engine counts an end that the policy was about to answer when it was stopped.
    let times = records[1]["count"].as_u64().expect("a count");
    let answered = records[1]["up"] == true;
    assert_eq!(times, looped - u64::from(!answered), "{}", records[1]);
    assert!(times >= 2, "{}", records[1]);
    assert_eq!(records[1]["exit_code"], json!(3));
    assert!(
        records[1]["down_ms"].as_u64().is_some_and(|ms| ms >= 100),
        "{}",
        records[1]
    );
    let at = |field: &str| records[1][field].as_str().expect("a time").to_owned();
    assert!(at("ended_at") < at("started_at"), "{}", records[1]);
}

fn what_no_event_tells_the_inspects_find(mut world: World) {
    let proxy = world.proxied();
    let deaf = Fault::before(
        Verb::Events,
        Fails::Status(
            500,
            dreichor_test_support::fake_engine::ErrorBody::Plain("no events today".to_owned()),
        ),
    );
    world.controls(&proxy).inject(deaf);
    let agent = quick(&mut world, "no");
    let id = deployed(&world, &agent, "1.0.0");
    let mut expected = vec!["absent unknown"];
    for (act, record) in [
        ("pause", "paused unknown"),
        ("unpause", "unpaused unknown"),
        ("restart?t=0", "restarted unknown"),
        ("kill?signal=KILL", "ended unknown"),
        ("start", "started unknown"),
    ] {
        world.act(&id, act);
        expected.push(record);
        world.observed(expected.len());
    }
    updated(&world, &id);
    expected.push("updated unknown");
    world.observed(expected.len());
    renamed(&world, &id, &format!("{}-aside", world.name));
    expected.push("renamed unknown");
    world.observed(expected.len());
    let taker = world.foreign_container("2.0.0", "no");
    world.act(&taker, "start");
    expected.push("replaced unknown");
    world.observed(expected.len());
    agent.end();
    assert_eq!(seen(&world), expected);
    world.remove(&id);
}

fn a_container_of_another_maker_is_recorded_as_such(mut world: World) {
    let agent = quick(&mut world, "no");
    agent.end();
    let id = world.foreign_container("1.0.0", "no");
    world.act(&id, "start");
    let agent = world.agent();
    let present = world.observed(2);
    assert_eq!(
        (&present["observed"], &present["up"]),
        (&json!("present"), &json!(true))
    );
    assert_eq!(
        (&present["container_id"], &present["container_operation"]),
        (&json!(id), &Value::Null)
    );
    deployed(&world, &agent, "2.0.0");
    let ended = world.events("predecessor_ended").pop().expect("a record");
    assert_eq!(
        (&ended["container_id"], &ended["foreign"]),
        (&json!(id), &json!(true))
    );
    assert!(agent.log().contains("was not made by this agent"));
    deployed(&world, &agent, "1.0.0");
    let ended = world.events("predecessor_ended").pop().expect("a record");
    assert_eq!(ended["foreign"], Value::Null);
}
