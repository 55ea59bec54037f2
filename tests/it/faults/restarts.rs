//! The engine dies and comes back at every call of an operation, before the call and after it took effect.

use std::time::{Duration, Instant};

use dreichor_test_support::fake_engine::{Controls, FaultProxy, When, WhileAway};

use super::{
    Asked, BUDGET, Before, Call, Operation, agent, agrees, arrange, assert_intact, at_every_call,
    broken, calls_of, comes, identity, world_with_window,
};
use crate::harness::{self, Agent, World};

/// For an engine that starts on a busy machine.
const BACK: Duration = Duration::from_secs(40);

/// One moment at which the engine dies.
#[derive(Debug, Clone, Copy)]
struct Moment {
    operation: Operation,
    call: Call,
    when: When,
}

/// Lets the engine die at that moment and gives what does not hold; `Ok(false)` if the operation ends without so many
/// calls. `restart` returns when the engine answers again.
fn dies_at(
    world: &mut World,
    agent: &Agent,
    controls: &Controls,
    moment: Moment,
    restart: impl FnOnce(&mut World),
) -> Result<bool, String> {
    arrange(world, Before::Running);
    let old = identity(world.container().as_ref());
    let (verb, nth) = moment.call;
    let gate = controls.gate_nth(verb, nth, moment.when);
    let begun = Instant::now();
    let (reached, answer) = std::thread::scope(|scope| {
        let (route, body) = moment.operation.request(world);
        let asked = scope.spawn(move || agent.post(route, &body));
        let reached = comes(&gate, || asked.is_finished());
        if reached {
            restart(world);
        }
        gate.release();
        (reached, asked.join().expect("answered"))
    });
    if !reached {
        return Ok(false);
    }
    drop(gate);
    if begun.elapsed() > Duration::from_secs(BUDGET) + BACK {
        return Err(format!("it took {:?}: {}", begun.elapsed(), answer.body));
    }
    // The engine may have died when the operation had done its work, and the new container with it. And what ran before
    // has ended with the engine, or runs on, whatever the operation did.
    let asked = match moment.operation.asked() {
        Asked::Deploy(tag) => Asked::DeployThatMayEnd(tag),
        other => other,
    };
    let same = identity(world.container().as_ref()) == old;
    broken(world, asked, &answer, same.then_some(&old))?;
    agrees(world, agent)?;
    let next = agent.deploy(&world.image("3.0.0"));
    match next.status {
        200 => Ok(true),
        other => Err(format!("the next deploy gave {other}: {}", next.body)),
    }
}

/// Every moment of an operation; gives how many there were.
fn dies_everywhere(
    world: &mut World,
    controls: &Controls,
    operation: Operation,
    whens: &[When],
    restart: impl Fn(&mut World),
) -> usize {
    let mut wrong = Vec::new();
    let mut size = 0;
    let agent = agent(world);
    for when in whens.iter().copied() {
        let calls = calls_of(world, &agent, controls, Before::Running, operation);
        at_every_call(calls, |call| {
            let moment = Moment {
                operation,
                call,
                when,
            };
            match dies_at(world, &agent, controls, moment, &restart) {
                Ok(false) => return false,
                Ok(true) => size += 1,
                Err(problem) => wrong.push(format!("{moment:?}: {problem}")),
            }
            true
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    drop(agent);
    assert_intact(world);
    size
}

fn on_the_fake(containers: WhileAway) {
    let mut world = world_with_window(harness::Kind::Fake, 0);
    let fake = world.fake.take().expect("the fake engine");
    let restart = |_: &mut World| fake.restart(containers);
    let whens = [When::BeforeEffect, When::AfterEffect];
    for (operation, least) in [(Operation::Deploy, 18), (Operation::Stop, 6)] {
        // The directory of the state is used again: the next agent goes on with the trail.
        let size = dies_everywhere(&mut world, fake.controls(), operation, &whens, restart);
        println!(
            "tried: {size} cases hold, the engine dies during a {operation:?}, containers {containers:?}"
        );
        assert!(size >= least, "{size}");
    }
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn an_engine_that_dies_with_its_containers_at_any_call_is_told_truly() {
    on_the_fake(WhileAway::Killed);
}

#[test]
fn an_engine_that_dies_alone_at_any_call_is_told_truly() {
    on_the_fake(WhileAway::Kept);
}

/// A real engine, killed before each call of an operation reaches it.
fn on_the_real_engine(operation: Operation, least: usize) {
    let mut world = world_with_window(harness::Kind::Real, 0);
    world.set("RUNTIME_RESTART_POLICY", "no");
    world.own_engine();
    let behind = world.settings["DOCKER_HOST"]["unix://".len()..].to_owned();
    let socket = world.path("proxy.sock");
    let proxy = FaultProxy::start(&socket, behind);
    world.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
    let restart = |world: &mut World| world.restart_engine(Duration::ZERO);
    let whens = [When::BeforeEffect];
    let size = dies_everywhere(&mut world, proxy.controls(), operation, &whens, restart);
    println!("tried: {size} cases hold, the real engine dies during a {operation:?}");
    assert!(size >= least, "{size}");
}

#[test]
fn a_real_engine_that_dies_at_any_call_of_a_deploy_is_told_truly() {
    on_the_real_engine(Operation::Deploy, 9);
}

#[test]
fn a_real_engine_that_dies_at_any_call_of_a_stop_is_told_truly() {
    on_the_real_engine(Operation::Stop, 3);
}
