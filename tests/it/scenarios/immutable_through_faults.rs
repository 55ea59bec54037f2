//! A tag is bound to its digest on the disk before anything is touched: neither an answer that comes late nor an end of
//! the agent at any call leaves a container that ran and whose tag may be moved.

use std::time::Duration;

use dreichor_test_support::fake_engine::{Fault, Kind as Fails, Verb, When};
use dreichor_test_support::images::ImageSpec;

use crate::faults::agent as quiet_agent;
use crate::harness::{self, Kind, World, contract_headers, request_bytes, until};

on_both_engines!(
    a_tag_whose_start_was_answered_too_late_cannot_be_moved,
    a_kill_between_the_start_and_its_record_leaves_no_tag_that_may_be_moved_in_prod,
);

const SOON: Duration = Duration::from_secs(20);

fn quick(world: &mut World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.set("STOP_GRACE_SECONDS", "0");
    world.set("RUNTIME_RESTART_POLICY", "no");
    world.push("1.0.0", &["run"]);
}

/// The container is gone and the tag leads to another build: only the ledger can tell.
fn is_refused_once_moved(world: &World, agent: &harness::Agent, tag: &str) {
    if let Some(shown) = world.container() {
        world.remove(shown["Id"].as_str().expect("an id"));
    }
    world.push_spec(tag, ImageSpec::mode(&["run"]).label("build", "another"));
    let answer = agent.deploy(&world.image(tag));
    assert_eq!(answer.status, 409, "{tag}: {}", answer.body);
    assert!(answer.reason().contains("immutable"), "{}", answer.body);
}

fn a_tag_whose_start_was_answered_too_late_cannot_be_moved(mut world: World) {
    quick(&mut world);
    let proxy = world.proxied();
    let controls = world.controls(&proxy);
    let agent = world.agent();
    controls.inject(Fault::after(Verb::ContainerStart, Fails::Cut));
    let gate = controls.gate(Verb::ContainerStart);
    let image = world.image("1.0.0");
    let answer = std::thread::scope(|scope| {
        let deploy = scope.spawn(|| agent.deploy(&image));
        assert!(gate.reached_within(SOON), "the start never comes");
        // It will run; its answer is lost, and no question afterwards is answered.
        controls.inject(Fault::before(Verb::ContainerInspect, Fails::Cut));
        controls.inject(Fault::before(Verb::ContainerList, Fails::Cut));
        gate.release();
        deploy.join().expect("answered")
    });
    assert_ne!(answer.status, 200, "{}", answer.body);
    controls.clear_faults();
    assert!(world.shown()["State"]["StartedAt"].as_str().is_some());
    is_refused_once_moved(&world, &agent, "1.0.0");
}

fn a_kill_between_the_start_and_its_record_leaves_no_tag_that_may_be_moved_in_prod(world: World) {
    let mut world = World::in_prod(world.kind);
    quick(&mut world);
    world.push("2.0.0", &["run"]);
    let proxy = world.proxied();
    let controls = world.controls(&proxy);
    let mut agent = world.agent();
    world.acknowledge("a new host");
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let gate = controls.gate_nth(Verb::ContainerStart, 1, When::AfterEffect);
    let body = serde_json::json!({ "image": world.image("2.0.0") }).to_string();
    let bytes = request_bytes("POST", "/v1/deploy", &contract_headers(), &body);
    let port = agent.port;
    let client = std::thread::spawn(move || harness::exchange_raw(port, &bytes));
    assert!(gate.reached_within(SOON), "the start never comes");
    agent.signal("KILL");
    agent.wait();
    gate.release();
    drop(gate);
    client.join().expect("joined");
    until("it runs", SOON, || {
        let state = world.shown()["State"].clone();
        state["Status"] == "running"
    });
    let agent = world.agent();
    until("it is closed", SOON, || {
        !world.events("operation_interrupted").is_empty()
    });
    is_refused_once_moved(&world, &agent, "2.0.0");
}

#[test]
fn a_kill_at_any_call_leaves_no_container_that_ran_and_whose_tag_may_be_moved() {
    let mut world = World::new(Kind::Fake);
    quick(&mut world);
    world.set("STATUS_MAX_AGE_SECONDS", "3600");
    let fake = world.fake.as_ref().expect("the fake engine");
    let verbs = [
        Verb::ContainerStop,
        Verb::ContainerRemove,
        Verb::ContainerCreate,
        Verb::ContainerStart,
    ];
    let mut ran = 0;
    for (n, verb) in verbs.into_iter().enumerate() {
        for when in [When::BeforeEffect, When::AfterEffect] {
            let mut life = quiet_agent(&world);
            let (tag, old) = (
                format!("2.{n}.{}", when as u8),
                format!("1.{n}.{}", when as u8),
            );
            for tag in [&tag, &old] {
                world.push(tag, &["run"]);
            }
            assert_eq!(life.deploy(&world.image(&old)).status, 200);
            let gate = fake.controls().gate_nth(verb, 1, when);
            let body = serde_json::json!({ "image": world.image(&tag) }).to_string();
            let bytes = request_bytes("POST", "/v1/deploy", &contract_headers(), &body);
            let port = life.port;
            let client = std::thread::spawn(move || harness::exchange_raw(port, &bytes));
            assert!(gate.reached_within(SOON), "{verb:?} never comes");
            life.signal("KILL");
            life.wait();
            gate.release();
            drop(gate);
            client.join().expect("joined");
            let started = || {
                world.container().is_some_and(|shown| {
                    let image = shown["Config"]["Image"].as_str().unwrap_or_default();
                    image.contains(&tag) && shown["State"]["Status"] == "running"
                })
            };
            if verb == Verb::ContainerStart && when == When::AfterEffect {
                until("it runs", SOON, started);
            }
            ran += u32::from(started());
            let life = quiet_agent(&world);
            is_refused_once_moved(&world, &life, &tag);
        }
    }
    assert!(ran >= 1, "one of them had started");
}
