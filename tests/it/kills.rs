//! SIGKILL of the agent before and after every engine call of a deploy and of a stop, whatever call it is. The next life
//! reports what the engine shows, closes the operation as interrupted, does nothing on its own, and the next deploy
//! converges.

use std::time::Duration;

use dreichor_test_support::fake_engine::{Verb, When};
use serde_json::Value;

use crate::faults::{
    Before, Call, Operation, agent, agrees, arrange, assert_intact, at_every_call, calls_of, comes,
    shown_as, state, world_with_window,
};
use crate::harness::{self, World, contract_headers, request_bytes, until};

/// What the engine had begun, it ends by itself; what the agent must not begin, it would have begun.
const SETTLED: Duration = Duration::from_millis(150);

fn shown(world: &World) -> Option<String> {
    world.container().as_ref().map(shown_as)
}

/// One kill; gives what does not hold, else whether the operation was interrupted. None if the operation ends without
/// that call.
fn kill_at(
    world: &World,
    operation: Operation,
    (verb, nth): Call,
    when: When,
) -> Result<Option<bool>, String> {
    let fake = world.fake.as_ref().expect("the fake engine");
    arrange(world, Before::Running);
    let mut life = agent(world);
    agrees(world, &life)?;
    let known = world.events("operation_interrupted").len();
    let open = |world: &World| {
        world.events("operation_started").len() - world.events("operation_ended").len() - known
    };
    assert_eq!(open(world), 0, "every operation before is closed");
    let gate = fake.controls().gate_nth(verb, nth, when);
    let (route, body) = operation.request(world);
    let bytes = request_bytes("POST", route, &contract_headers(), &body);
    let port = life.port;
    let client = std::thread::spawn(move || harness::exchange_raw(port, &bytes));
    if !comes(&gate, || client.is_finished()) {
        return Ok(None);
    }
    life.signal("KILL");
    life.wait();
    gate.release();
    drop(gate);
    let said = client.join().expect("joined");
    std::thread::sleep(SETTLED);
    let left = shown(world);
    // A look of the watcher may come before the operation has begun, and the last looks when its outcome is recorded.
    let interrupted = open(world) == 1;
    let life = agent(world);
    if interrupted {
        if !said.is_empty() {
            return Err(format!("an answer: {}", String::from_utf8_lossy(&said)));
        }
        until("the operation is closed", Duration::from_secs(10), || {
            world.events("operation_interrupted").len() == known + 1
        });
        let closed = world.events("operation_interrupted").pop();
        closed_truly(world, &closed.unwrap_or_default(), route)?;
    }
    std::thread::sleep(SETTLED);
    if shown(world) != left {
        return Err(format!(
            "the new life did something on its own: {left:?} became {:?}",
            shown(world)
        ));
    }
    agrees(world, &life)?;
    let next = life.deploy(&world.image("3.0.0"));
    if next.status != 200 || world.count() != 1 {
        return Err(format!(
            "the next deploy gave {}: {}",
            next.status, next.body
        ));
    }
    Ok(Some(interrupted))
}

/// The record that closes the operation tells what the engine shows.
fn closed_truly(world: &World, closed: &Value, route: &str) -> Result<(), String> {
    let kind = route.trim_start_matches("/v1/");
    let shown = world.container();
    let truth = state(shown.as_ref(), &closed["operation"]);
    let id = shown.map_or(Value::Null, |shown| shown["Id"].clone());
    if closed["kind"] == kind && closed["state"] == truth && closed["container_id"] == id {
        return Ok(());
    }
    Err(format!("{truth} {id} is closed as {closed}"))
}

fn every_kill_of(operation: Operation) {
    let mut world = world_with_window(harness::Kind::Fake, 0);
    // The periodic looks of the watcher are not what is killed here.
    world.set("STATUS_MAX_AGE_SECONDS", "3600");
    world.set("RUNTIME_RESTART_POLICY", "no");
    let fake = world.fake.as_ref().expect("the fake engine");
    let mut wrong = Vec::new();
    let mut interrupted = Vec::new();
    for when in [When::BeforeEffect, When::AfterEffect] {
        let calls = {
            let life = agent(&world);
            calls_of(&world, &life, fake.controls(), Before::Running, operation)
        };
        at_every_call(calls, |call| {
            match kill_at(&world, operation, call, when) {
                Ok(None) => return false,
                Ok(Some(true)) => interrupted.push(call),
                // A look of the watcher may come before the operation begins or after its outcome is recorded.
                Ok(Some(false))
                    if matches!(call.0, Verb::ContainerInspect | Verb::ContainerList) => {}
                Ok(Some(false)) => wrong.push(format!("{operation:?} had ended at {call:?}")),
                Err(problem) => {
                    wrong.push(format!("{operation:?} at {call:?}, {when:?}: {problem}"))
                }
            }
            true
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(fake.violations(), Vec::<String>::new());
    assert_intact(&world);
    let size = interrupted.len();
    println!("tried: {size} cases hold, the agent is killed during a {operation:?}");
    let stops = interrupted.iter();
    let stops = stops.filter(|(verb, _)| *verb == Verb::ContainerStop);
    assert_eq!(stops.count(), 2, "before the stop and after it");
}

#[test]
fn a_deploy_killed_at_any_call_is_closed_as_interrupted_and_converges() {
    every_kill_of(Operation::Deploy);
}

#[test]
fn a_stop_killed_at_any_call_is_closed_as_interrupted_and_converges() {
    every_kill_of(Operation::Stop);
}
