//! SIGKILL of the agent before and after every engine call of a deploy and of a stop. The next life reports what the
//! engine shows, closes the operation as interrupted, does nothing on its own, and the next deploy converges.

use std::collections::BTreeMap;
use std::time::Duration;

use dreichor_test_support::fake_engine::Verb;
use serde_json::{Value, json};

use crate::harness::{self, Agent, Kind, World, contract_headers, request_bytes, until};

fn world() -> World {
    let mut world = World::new(Kind::Fake);
    for (name, value) in [
        ("STOP_GRACE_SECONDS", "0"),
        ("START_CONFIRMATION_SECONDS", "0"),
        ("OPERATION_BUDGET_SECONDS", "30"),
    ] {
        world.set(name, value);
    }
    for tag in ["1.0.0", "2.0.0", "3.0.0"] {
        world.push(tag, &["run"]);
    }
    world
}

fn start(world: &World) -> Agent {
    Agent::start(&world.env_file(), world.port, &world.path("agent.log"), &[])
}

/// The kinds of call that an operation makes over a running container.
fn calls_of(route: &str) -> Vec<Verb> {
    let world = world();
    let fake = world.fake.as_ref().expect("the fake engine");
    let agent = start(&world);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    fake.controls().reset_calls();
    let body = json!({ "image": world.image("2.0.0") }).to_string();
    let body = if route == "/v1/stop" { "" } else { &body };
    assert_eq!(agent.post(route, body).status, 200);
    let mut kinds: BTreeMap<Verb, ()> = BTreeMap::new();
    for call in fake.controls().calls() {
        // The watcher's own calls come and go; an operation's inspects are met with the others.
        if !matches!(
            call.verb,
            Verb::Events | Verb::Ping | Verb::ContainerInspect
        ) {
            kinds.insert(call.verb, ());
        }
    }
    kinds.into_keys().collect()
}

fn shown(world: &World) -> Option<Value> {
    world.container().map(|shown| {
        json!([
            shown["Id"],
            shown["State"]["Status"],
            shown["State"]["StartedAt"]
        ])
    })
}

/// One kill; gives what does not hold.
fn kill_at(world: &World, verb: Verb, after: bool, route: &str) -> Result<(), String> {
    let fake = world.fake.as_ref().expect("the fake engine");
    let mut agent = start(world);
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let known = world.events("operation_interrupted").len();
    let gate = if after {
        fake.controls().gate_after(verb)
    } else {
        fake.controls().gate(verb)
    };
    let body = json!({ "image": world.image("2.0.0") }).to_string();
    let body = if route == "/v1/stop" {
        String::new()
    } else {
        body
    };
    let bytes = request_bytes("POST", route, &contract_headers(), &body);
    let port = agent.port;
    let client = std::thread::spawn(move || harness::exchange_raw(port, &bytes));
    if !gate.reached_within(Duration::from_secs(15)) {
        return Err("the call does not come".to_owned());
    }
    agent.signal("KILL");
    agent.wait();
    gate.release();
    drop(gate);
    let said = client.join().expect("joined");
    if !said.is_empty() {
        return Err(format!("an answer: {}", String::from_utf8_lossy(&said)));
    }
    // What the engine had begun, it ends by itself.
    std::thread::sleep(Duration::from_millis(150));
    let left = shown(world);
    let agent = start(world);
    until("the operation is closed", Duration::from_secs(10), || {
        world.events("operation_interrupted").len() == known + 1
    });
    let closed = world
        .events("operation_interrupted")
        .pop()
        .unwrap_or_default();
    let kind = if route == "/v1/stop" {
        "stop"
    } else {
        "deploy"
    };
    if closed["kind"] != kind || closed["state"] == "unknown" {
        return Err(format!("it is closed as {closed}"));
    }
    if closed["container_id"].is_null() != left.is_none() {
        return Err(format!("{closed} is not what the engine shows: {left:?}"));
    }
    std::thread::sleep(Duration::from_millis(150));
    if shown(world) != left {
        return Err(format!(
            "the new life did something on its own: {left:?} became {:?}",
            shown(world)
        ));
    }
    let running = left.as_ref().is_some_and(|left| left[1] == "running");
    agent.status_until(Duration::from_secs(5), |answer| {
        answer.status == 200 && answer.json()["running"] == running
    });
    let next = agent.deploy(&world.image("3.0.0"));
    if next.status != 200 || world.count() != 1 {
        return Err(format!(
            "the next deploy gave {}: {}",
            next.status, next.body
        ));
    }
    Ok(())
}

fn every_kill_of(route: &str) {
    let calls = calls_of(route);
    assert!(
        calls.contains(&Verb::ContainerStop) && calls.contains(&Verb::ContainerRemove),
        "{calls:?}"
    );
    let world = world();
    let mut wrong = Vec::new();
    for verb in &calls {
        for after in [false, true] {
            if let Err(problem) = kill_at(&world, *verb, after, route) {
                wrong.push(format!(
                    "{route} killed {} {verb}: {problem}",
                    if after { "after" } else { "before" }
                ));
            }
        }
    }
    let fake = world.fake.as_ref().expect("the fake engine");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(fake.violations(), Vec::<String>::new());
    let (verdict, said) = crate::audit::verdict_of(&world.path("state"), None, false);
    assert_eq!(verdict, deploy_agent::audit::Verdict::Intact, "{said}");
    println!("{} kills of {route} survived", calls.len() * 2);
}

#[test]
fn a_deploy_killed_at_any_call_is_closed_as_interrupted_and_converges() {
    every_kill_of("/v1/deploy");
}

#[test]
fn a_stop_killed_at_any_call_is_closed_as_interrupted_and_converges() {
    every_kill_of("/v1/stop");
}
