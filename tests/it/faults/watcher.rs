//! Faults of the watcher's own calls: the stream of events and the looks behind it. Whatever happens to them, the
//! status shows what the engine shows within its bound, or says that it does not know; it never shows something else
//! for longer, and a deploy goes on.

use std::time::{Duration, Instant};

use dreichor_test_support::fake_engine::{ErrorBody, Fault, Kind, Verb, When, WhileAway};

use super::{Before, agent, agrees, arrange, assert_intact, world_with_window};
use crate::harness::{self, Agent, World, until};

/// `STATUS_MAX_AGE_SECONDS` of these worlds, and what a busy machine may add.
const BOUND: Duration = Duration::from_secs(3 + 2);

fn kinds() -> Vec<Kind> {
    let json = |code| Kind::Status(code, ErrorBody::Json("made up by the test".to_owned()));
    vec![
        Kind::Cut,
        Kind::CutMidBody,
        Kind::Garbage,
        json(400),
        json(404),
        json(409),
        json(500),
        Kind::Status(500, ErrorBody::Plain("made up by the test".to_owned())),
        Kind::Silence,
        Kind::Stall,
        Kind::MissingFields,
        Kind::UnknownStatus,
        Kind::SplitCrlf,
        Kind::Drip(Duration::from_millis(1)),
        Kind::ThenRefuse,
    ]
}

/// While the fault is in force the status is true or refused; once it is over, it is true again.
fn holds_through(world: &World, agent: &Agent, fault: &Fault) -> Result<(), String> {
    let fake = world.fake.as_ref().expect("the fake engine");
    arrange(world, Before::Running);
    agrees(world, agent)?;
    fake.controls().inject(fault.clone());
    // The stream that is open knows nothing of the fault: a new one must be asked for.
    if fault.verb == Verb::Events {
        fake.restart(WhileAway::Kept);
    }
    // Something happens that the status has to show.
    assert!(fake.remove_from_outside(&world.name));
    let changed = Instant::now();
    while changed.elapsed() < BOUND + Duration::from_millis(500) {
        let answer = agent.status_answer();
        let false_now = answer.status == 200 && answer.json()["running"] == true;
        if false_now && changed.elapsed() > BOUND {
            return Err(format!("a status of long ago: {}", answer.body));
        }
        if answer.status == 200 && !false_now {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    fake.controls().clear_faults();
    agrees(world, agent)?;
    let answer = agent.deploy(&world.image("2.0.0"));
    match answer.status {
        200 => Ok(()),
        other => Err(format!("a deploy afterwards gave {other}: {}", answer.body)),
    }
}

fn every_fault_of(verb: Verb) {
    let faults: Vec<Fault> = kinds()
        .into_iter()
        .flat_map(|kind| {
            let before = Fault::before(verb, kind.clone());
            let after = Fault {
                when: When::AfterEffect,
                ..before.clone()
            };
            [before, after]
        })
        .collect();
    let size = faults.len();
    let faults = std::sync::Mutex::new(faults);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let world = world_with_window(harness::Kind::Fake, 0);
                let agent = agent(&world);
                loop {
                    let next = faults.lock().expect("unpoisoned").pop();
                    let Some(fault) = next else { break };
                    let held = holds_through(&world, &agent, &fault);
                    assert_eq!(held, Ok(()), "{fault:?}");
                }
                let log = agent.log();
                assert!(!log.contains("panic at"), "{log}");
                drop(agent);
                assert_intact(&world);
            });
        }
    });
    println!("tried: {size} cases hold, faults of the watcher's {verb}");
}

#[test]
fn every_fault_of_the_event_stream_leaves_the_status_true() {
    every_fault_of(Verb::Events);
}

#[test]
fn every_fault_of_a_look_leaves_the_status_true_or_refused() {
    every_fault_of(Verb::ContainerInspect);
}

/// A frozen engine gives no sign: the status must not go on as if it had.
#[test]
fn a_frozen_engine_ages_the_view_and_a_thawed_one_is_shown_again() {
    let world = world_with_window(harness::Kind::Fake, 0);
    let fake = world.fake.as_ref().expect("the fake engine");
    let agent = agent(&world);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    fake.controls().freeze();
    agent.status_until(BOUND + Duration::from_secs(2), |answer| {
        answer.status == 503
    });
    fake.controls().thaw();
    until("the status is back", Duration::from_secs(15), || {
        agent.status_answer().status == 200
    });
    assert_eq!(agrees(&world, &agent), Ok(()));
}
