//! What becomes of the runtime while no agent watches is an outage too: the engine keeps when the process ended and when
//! it was started again, and the next agent reads it there.

use std::time::Duration;

use crate::harness::{Agent, World, until};

on_both_engines!(
    a_runtime_that_ended_and_runs_again_when_the_agent_comes_had_an_outage,
    a_runtime_that_is_down_when_the_agent_comes_is_down_since_its_end,
    a_runtime_that_is_gone_when_the_agent_comes_is_down_since_then_at_the_latest,
    a_runtime_that_was_replaced_had_an_outage_of_unknown_length,
);

const SOON: Duration = Duration::from_secs(30);
const APART: Duration = Duration::from_millis(1500);

fn deployed(world: &mut World) -> String {
    world.set("STOP_GRACE_SECONDS", "0");
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.set("RUNTIME_RESTART_POLICY", "no");
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    agent.end();
    world.id()
}

/// An agent that has seen what is there.
fn another(world: &World) -> Agent {
    let before = world.events("runtime_observed").len();
    let agent = world.agent();
    until("it has looked", SOON, || {
        world.events("runtime_observed").len() > before
    });
    agent
}

fn a_runtime_that_ended_and_runs_again_when_the_agent_comes_had_an_outage(mut world: World) {
    let id = deployed(&mut world);
    world.act(&id, "stop?t=10");
    std::thread::sleep(APART);
    world.act(&id, "start");
    let state = world.shown()["State"].clone();
    another(&world).end();
    let row = world.rows().pop().expect("a row");
    let outage = &row["outage"];
    assert_eq!(row["observed"], "present", "{row}");
    assert_eq!(outage["since"], state["FinishedAt"], "{row}");
    assert_eq!(outage["until"], state["StartedAt"], "{row}");
    let cause = "ended and started again while no agent watched";
    assert_eq!(outage["cause"], cause);
    let ms = row["downtime_ms"].as_u64().expect("a time");
    assert!((1400..10_000).contains(&ms), "{row}");
    let said = world.history(&[]);
    assert!(said.contains(cause), "{said}");
    assert!(
        said.contains("\noutages: 1, 1 of them ended by no operation"),
        "{said}"
    );
    // Once: the agent after it finds nothing new.
    another(&world).end();
    assert_eq!(world.rows().len(), 2);
}

fn a_runtime_that_is_down_when_the_agent_comes_is_down_since_its_end(mut world: World) {
    let id = deployed(&mut world);
    world.act(&id, "stop?t=10");
    let finished = world.shown()["State"]["FinishedAt"].clone();
    let agent = another(&world);
    let down = world.rows().pop().expect("a row");
    assert_eq!((&down["since"], &down["down"]), (&finished, &true.into()));
    let cause = "ended while no agent watched, exit code 0";
    assert_eq!(down["cause"], cause);
    let (_, said) = world.operator("status", &[]);
    let since = finished.as_str().expect("a time");
    assert!(
        said.contains(&format!("down since {since}: {cause}")),
        "{said}"
    );
    drop(agent);
}

fn a_runtime_that_is_gone_when_the_agent_comes_is_down_since_then_at_the_latest(mut world: World) {
    let id = deployed(&mut world);
    world.remove(&id);
    let _agent = another(&world);
    let absent = world.events("runtime_observed").pop().expect("a record");
    let down = world.rows().pop().expect("a row");
    assert_eq!(down["since"], absent["at"], "{down}");
    assert_eq!(down["cause"], "gone while no agent watched, then or before");
}

fn a_runtime_that_was_replaced_had_an_outage_of_unknown_length(mut world: World) {
    let id = deployed(&mut world);
    world.remove(&id);
    let other = world.foreign_container("1.0.0", "no");
    world.act(&other, "start");
    let _agent = another(&world);
    let row = world.rows().pop().expect("a row");
    let started = &world.shown()["State"]["StartedAt"];
    assert_eq!(&row["outage"]["until"], started, "{row}");
    assert!(row["outage"]["since"].is_null(), "{row}");
    assert!(row["downtime_ms"].is_null(), "{row}");
    let cause = "replaced while no agent watched, from when on is not known";
    assert_eq!(row["outage"]["cause"], cause);
}
