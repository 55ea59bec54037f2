//! The matrix itself: which faults, which cases, and the workers that go through them.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use dreichor_test_support::fake_engine::{Controls, ErrorBody, Fault, FaultProxy, Kind, Verb};

use super::{
    BUDGET, Before, Call, Operation, agent, agrees, arrange, assert_intact, broken, calls_of,
    identity, world_with_window,
};
use crate::harness::{self, Agent, World};

/// How long past the budget an answer may come on this busy machine.
const SLACK: Duration = Duration::from_secs(2);
/// Worlds side by side for cases that end at once, and for those that mostly wait.
const BUSY: usize = 6;
const WAITING: usize = 24;

/// One cell of the matrix.
#[derive(Debug, Clone)]
struct Case {
    before: Before,
    operation: Operation,
    fault: Fault,
}

/// Faults that end at once.
fn quick_faults((verb, nth): Call) -> Vec<Fault> {
    let json = |code| Kind::Status(code, ErrorBody::Json("made up by the test".to_owned()));
    let plain = |code| Kind::Status(code, ErrorBody::Plain("made up by the test".to_owned()));
    let before = [
        Kind::Cut,
        Kind::Garbage,
        json(400),
        json(404),
        json(409),
        json(500),
        json(503),
        plain(404),
        plain(500),
    ];
    let after = [
        Kind::Cut,
        Kind::CutMidBody,
        Kind::Garbage,
        json(500),
        plain(500),
        Kind::MissingFields,
        Kind::UnknownStatus,
        Kind::SplitCrlf,
        Kind::Drip(Duration::from_millis(1)),
        Kind::ThenRefuse,
    ];
    let before = before
        .into_iter()
        .map(|kind| Fault::before(verb, kind).nth(nth));
    let after = after
        .into_iter()
        .map(|kind| Fault::after(verb, kind).nth(nth));
    before.chain(after).collect()
}

/// Faults that only a deadline ends.
fn slow_faults((verb, nth): Call) -> Vec<Fault> {
    vec![
        Fault::before(verb, Kind::Silence).nth(nth),
        Fault::after(verb, Kind::Silence).nth(nth),
        Fault::after(verb, Kind::Stall).nth(nth),
        // Longer than a look may take, not longer than a stop may.
        Fault::after(verb, Kind::Drip(Duration::from_millis(300))).nth(nth),
    ]
}

/// Every case from these states, by the calls that a run without faults makes.
fn cases(
    world: &World,
    controls: &Controls,
    states: &[Before],
    operations: &[Operation],
    faults: impl Fn(Call) -> Vec<Fault>,
) -> Vec<Case> {
    let agent = agent(world);
    let mut cases = Vec::new();
    for before in states.iter().copied() {
        for operation in operations.iter().copied() {
            let calls = calls_of(world, &agent, controls, before, operation);
            let faults = calls.into_iter().flat_map(&faults);
            cases.extend(faults.map(|fault| Case {
                before,
                operation,
                fault,
            }));
        }
    }
    cases
}

/// Runs one case and gives what does not hold.
fn run(world: &World, agent: &Agent, controls: &Controls, case: &Case) -> Result<(), String> {
    arrange(world, case.before);
    let old = identity(world.container().as_ref());
    controls.inject(case.fault.clone());
    let begun = Instant::now();
    let answer = case.operation.perform(world, agent);
    let took = begun.elapsed();
    controls.clear_faults();
    if took > Duration::from_secs(BUDGET) + SLACK {
        return Err(format!("it took {took:?}: {}", answer.body));
    }
    if answer.status == 200 && case.operation == Operation::DeployOfACrash {
        return Err("the deploy of a crash succeeded".to_owned());
    }
    let old = case.before.is_still().then_some(&old);
    broken(world, case.operation.asked(), &answer, old)?;
    agrees(world, agent)?;
    let next = agent.deploy(&world.image("3.0.0"));
    match next.status {
        200 => Ok(()),
        other => Err(format!("the next deploy gave {other}: {}", next.body)),
    }
}

/// Goes through the cases in a world of its own until none is left.
fn work(world: &World, controls: &Controls, cases: &Mutex<VecDeque<Case>>) -> Vec<String> {
    let agent = agent(world);
    let mut wrong = Vec::new();
    loop {
        let next = cases.lock().expect("unpoisoned").pop_front();
        let Some(case) = next else { break };
        if let Err(problem) = run(world, &agent, controls, &case) {
            wrong.push(format!("{case:?}: {problem}"));
        }
    }
    let log = agent.log();
    assert!(!log.contains("panic at"), "{log}");
    drop(agent);
    assert_intact(world);
    wrong
}

/// Goes through the cases with so many workers side by side; all of them must hold.
fn assert_all_hold(
    what: &str,
    all: Vec<Case>,
    workers: usize,
    worker: impl Fn(&Mutex<VecDeque<Case>>) -> Vec<String> + Sync,
) {
    let size = all.len();
    let all = Mutex::new(VecDeque::from(all));
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| worker(&all))).collect();
        let wrong = workers.into_iter().flat_map(|worker| {
            let ended = worker.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        wrong.collect()
    });
    assert!(
        wrong.is_empty(),
        "{} of {size} cases do not hold:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    println!("tried: {size} cases hold, fault matrix, {what}");
}

/// A world in which each of these operations ends as it would without faults.
fn world(kind: harness::Kind, operations: &[Operation]) -> World {
    let crashes = operations.contains(&Operation::DeployOfACrash);
    world_with_window(kind, u64::from(crashes))
}

/// Every case on fake engines, so many side by side.
fn on_the_fake(
    what: &str,
    states: &[Before],
    operations: &[Operation],
    faults: fn(Call) -> Vec<Fault>,
    workers: usize,
) {
    let all = {
        let world = world(harness::Kind::Fake, operations);
        let fake = world.fake.as_ref().expect("the fake engine");
        cases(&world, fake.controls(), states, operations, faults)
    };
    assert!(all.len() > 50, "{} cases", all.len());
    assert_all_hold(what, all, workers, |all| {
        let world = world(harness::Kind::Fake, operations);
        let fake = world.fake.as_ref().expect("the fake engine");
        let wrong = work(&world, fake.controls(), all);
        assert_eq!(fake.violations(), Vec::<String>::new());
        wrong
    });
}

/// What leaves the new container alone, or takes it away.
const PLAIN: [Operation; 2] = [Operation::Deploy, Operation::Stop];
const CRASHES: [Operation; 1] = [Operation::DeployOfACrash];

#[test]
fn every_fault_of_every_call_from_every_state() {
    on_the_fake("every state", &Before::ALL, &PLAIN, quick_faults, BUSY);
}

#[test]
fn every_fault_of_every_call_of_a_deploy_that_crashes() {
    let states = [Before::Absent, Before::Running];
    on_the_fake("crashes", &states, &CRASHES, quick_faults, WAITING);
}

#[test]
fn every_answer_that_never_ends_is_given_up_in_time() {
    let what = "endless answers";
    on_the_fake(what, &Before::ALL, &PLAIN, slow_faults, WAITING);
}

#[test]
fn every_answer_that_never_ends_after_a_crash_is_given_up_in_time() {
    let what = "endless answers to crashes";
    on_the_fake(what, &[Before::Running], &CRASHES, slow_faults, WAITING);
}

/// The real engine behind a proxy that misbehaves: each call meets each third fault, each fault a third of the calls.
fn on_the_real_engine(what: &str, operations: &[Operation], slow: &[Call]) {
    let behind_a_proxy = || {
        let mut world = world(harness::Kind::Real, operations);
        let socket = world.path("proxy.sock");
        let proxy = FaultProxy::start(&socket, harness::real_socket());
        world.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
        (world, proxy)
    };
    let chosen = |call: Call| {
        let shift = call.0.name().len() + call.1;
        let all = quick_faults(call).into_iter();
        all.skip(shift % 3).step_by(3).collect()
    };
    let running = [Before::Running];
    let (world, proxy) = behind_a_proxy();
    let mut all = cases(&world, proxy.controls(), &running, operations, chosen);
    let slow = slow.iter().copied().flat_map(slow_faults);
    all.extend(slow.map(|fault| Case {
        before: Before::Running,
        operation: operations[0],
        fault,
    }));
    assert!(all.len() > 20, "{} cases", all.len());
    // Most of a case is waiting for a container to have run long enough.
    assert_all_hold(what, all, 2, |all| {
        let (world, proxy) = behind_a_proxy();
        work(&world, proxy.controls(), all)
    });
}

#[test]
fn every_step_and_fault_of_a_deploy_on_the_real_engine() {
    let slow = [(Verb::ContainerStart, 1)];
    on_the_real_engine("real deploys", &[Operation::Deploy], &slow);
}

#[test]
fn every_step_and_fault_of_a_crash_on_the_real_engine() {
    on_the_real_engine("real crashes", &CRASHES, &[]);
}

#[test]
fn every_step_and_fault_of_a_stop_on_the_real_engine() {
    let slow = [(Verb::ContainerStop, 1)];
    on_the_real_engine("real stops", &[Operation::Stop], &slow);
}
