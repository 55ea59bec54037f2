//! A soak: mixed operations, statuses and mishaps at random, from a printed seed, against one life of the agent. What
//! must hold is looked at after every step, and at the end the agent holds no more than it did when it was warm.
//!
//! `SOAK=long` takes thousands of steps (`./tests/run --soak`), `SOAK_SEED` repeats a run.

mod dice;
mod growth;
mod steps;

use std::time::{Duration, Instant};

use dreichor_test_support::fake_engine::{Controls, FaultProxy};

use crate::faults::{agrees, assert_intact, world_with_window};
use crate::harness::{self, Agent, World};
use dice::Dice;
use growth::Holdings;
use steps::Step;

/// How much of a soak is done.
#[derive(Debug, Clone, Copy)]
struct Effort {
    steps: usize,
    /// Statuses between two steps.
    statuses: usize,
    /// No further step is begun after this.
    at_most: Duration,
}

/// Tags that a soak deploys; few, so that the ledger of tags is soon complete.
const TAGS: usize = 12;
/// After this share of the steps the agent is warm: what it takes from then on it keeps.
const WARM: f64 = 0.4;

fn long() -> bool {
    std::env::var("SOAK").is_ok_and(|form| form == "long")
}

fn effort(kind: harness::Kind) -> Effort {
    let (steps, statuses, seconds) = match (kind, long()) {
        (harness::Kind::Fake, false) => (700, 15, 120),
        (harness::Kind::Fake, true) => (5000, 15, 1500),
        (harness::Kind::Real, false) => (40, 25, 120),
        (harness::Kind::Real, true) => (400, 25, 1500),
    };
    Effort {
        steps,
        statuses,
        at_most: Duration::from_secs(seconds),
    }
}

fn seed() -> u64 {
    let given = std::env::var("SOAK_SEED").ok();
    given.map_or_else(
        || {
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
            u64::try_from(now.expect("after 1970").as_nanos() % 1_000_000_007).expect("small")
        },
        |text| text.parse().expect("SOAK_SEED is a number"),
    )
}

fn prepared(kind: harness::Kind) -> World {
    let mut world = world_with_window(kind, 0);
    world.set("QUEUE_CAPACITY", "8");
    for tag in 0..TAGS {
        world.push(&format!("1.1.{tag}"), &["run"]);
    }
    world
}

/// Goes through the steps of one seed.
fn soak(world: &World, controls: &Controls) {
    let seed = seed();
    let effort = effort(world.kind);
    println!(
        "soak on the {:?} engine, SOAK_SEED={seed}: {effort:?}",
        world.kind
    );
    let agent = crate::faults::agent(world);
    let mut dice = Dice::new(seed);
    let mut warm = None;
    let begun = Instant::now();
    let mut done = 0;
    while done < effort.steps && begun.elapsed() < effort.at_most {
        let step = Step::thrown(&mut dice, world.kind);
        let held = step
            .take(world, &agent, controls, &mut dice)
            .and_then(|()| agrees(world, &agent));
        assert_eq!(held, Ok(()), "SOAK_SEED={seed}, step {done}: {step:?}");
        ask(&agent, effort.statuses, seed, done);
        done += 1;
        if warm.is_none() && done as f64 >= effort.steps as f64 * WARM {
            warm = Some(Holdings::settled(&agent));
        }
    }
    let warm = warm.expect("time for the steps that warm it");
    let now = Holdings::settled(&agent);
    println!(
        "tried: {done} steps and {} statuses of a soak on the {:?} engine, SOAK_SEED={seed}, in {:?}; warm {warm:?}, at the end {now:?}",
        done * effort.statuses,
        world.kind,
        begun.elapsed()
    );
    now.assert_no_more_than(&warm, &format!("SOAK_SEED={seed}"));
    let log = agent.log();
    assert!(!log.contains("panic at"), "SOAK_SEED={seed}\n{log}");
    drop(agent);
    assert_intact(world);
}

/// Statuses between two steps: 200 while the engine is well.
fn ask(agent: &Agent, statuses: usize, seed: u64, done: usize) {
    for _ in 0..statuses {
        let answer = agent.status_answer();
        assert_eq!(
            answer.status, 200,
            "SOAK_SEED={seed}, after step {done}: {}",
            answer.body
        );
    }
}

#[test]
fn a_soak_on_the_fake_engine_keeps_every_promise_and_nothing_grows() {
    let world = prepared(harness::Kind::Fake);
    let fake = world.fake.as_ref().expect("the fake engine");
    soak(&world, fake.controls());
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn a_soak_on_the_real_engine_keeps_every_promise_and_nothing_grows() {
    let mut world = prepared(harness::Kind::Real);
    let socket = world.path("proxy.sock");
    let proxy = FaultProxy::start(&socket, harness::real_socket());
    world.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
    soak(&world, proxy.controls());
}
