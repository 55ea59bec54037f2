//! What an operation may ask of the engine, and a status of the allocator: counted, not timed.

use std::time::{Duration, SystemTime};

use deploy_agent::access::{Access, AccessSettings, Header, Presented};
use deploy_agent::domain::{ContainerName, Environment};
use deploy_agent::view::view;
use dreichor_test_support::fake_engine::{Controls, Verb};

use super::access_support::lookup;
use crate::harness::{Agent, Kind, World, until};

/// Longer than an event takes to cause a look.
const SETTLED: Duration = Duration::from_millis(500);

/// A deployed container and an agent that has just answered; the count begins now.
fn deployed(world: &mut World) -> Agent {
    // The periodic look must not come between.
    world.set("STATUS_MAX_AGE_SECONDS", "3600");
    world.set("START_CONFIRMATION_SECONDS", "0");
    for tag in ["1.0.0", "1.0.1"] {
        world.push(tag, &["run"]);
    }
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let mut counted = 0;
    until(
        "the looks that events cause are over",
        Duration::from_secs(20),
        || {
            let before = std::mem::replace(&mut counted, controls(world).calls().len());
            std::thread::sleep(SETTLED);
            before == counted
        },
    );
    controls(world).reset_calls();
    agent
}

fn controls(world: &World) -> &Controls {
    world.fake.as_ref().expect("a fake engine").controls()
}

fn verbs(world: &World) -> Vec<Verb> {
    let calls = controls(world).calls();
    calls.iter().map(|call| call.verb).collect()
}

#[test]
fn a_status_asks_nothing_of_the_engine() {
    let mut world = World::new(Kind::Fake);
    let agent = deployed(&mut world);
    for _ in 0..200 {
        assert_eq!(agent.status_answer().status, 200);
    }
    assert_eq!(verbs(&world), []);
}

#[test]
fn a_deploy_makes_ten_calls_and_remove_create_start_between_stop_and_start() {
    let mut world = World::new(Kind::Fake);
    let agent = deployed(&mut world);
    assert_eq!(agent.deploy(&world.image("1.0.1")).status, 200);
    assert_eq!(
        verbs(&world)[..10],
        [
            Verb::Version,
            Verb::ImagePull,
            Verb::ImageInspect,
            Verb::ContainerInspect,
            Verb::ContainerStop,
            Verb::ContainerRemove,
            Verb::ContainerCreate,
            Verb::ContainerStart,
            // The confirmation, and the view that is fresh before the answer.
            Verb::ContainerInspect,
            Verb::ContainerInspect,
        ]
    );
}

#[test]
fn a_stop_changes_with_two_calls_and_looks_a_few_times() {
    let mut world = World::new(Kind::Fake);
    let agent = deployed(&mut world);
    assert_eq!(agent.stop().status, 200);
    let (changing, looks): (Vec<Verb>, Vec<Verb>) = verbs(&world)
        .into_iter()
        .partition(|verb| verb.changes_something());
    assert_eq!(changing, [Verb::ContainerStop, Verb::ContainerRemove]);
    assert!(looks.iter().all(|verb| *verb == Verb::ContainerInspect));
    // Before the stop, before the answer, and one for each event: the end and the removal.
    assert!((2..=4).contains(&looks.len()), "{looks:?}");
}

#[test]
fn an_event_that_changes_nothing_causes_no_look() {
    let mut world = World::new(Kind::Fake);
    let _agent = deployed(&mut world);
    let id = world.id();
    controls(&world).reset_calls();
    world.act(&id, "kill?signal=USR1");
    std::thread::sleep(SETTLED);
    assert_eq!(verbs(&world), [Verb::ContainerKill]);
}

#[test]
fn a_status_with_a_pinned_token_allocates_nothing_of_its_own() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let pinned = [
        ("CF_ACCESS_CLIENT_ID", "ci.access"),
        ("CF_ACCESS_CLIENT_SECRET_SHA256", hash),
    ];
    let access = Access::new(AccessSettings::parse(lookup(&pinned)).unwrap());
    let name = ContainerName::parse("x-dev", Environment::Dev).unwrap();
    let (publisher, shown) = view(name, Duration::from_secs(3600));
    publisher.publish(None);
    let presented = Presented {
        client_id: Header::Once(b"ci.access"),
        client_secret: Header::Once(b"test"),
        assertion: Header::Absent,
    };
    let status = || {
        access.check(&presented, SystemTime::now()).unwrap();
        shown.status_body().unwrap()
    };
    // The first use makes what lasts.
    drop(status());
    let counted = allocation_counter::measure(|| drop(status()));
    assert_eq!(counted.count_total, 0);
}
