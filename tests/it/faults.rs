//! The fault matrix: every call that a deploy and a stop make, times every fault, times every state that the name can
//! be in beforehand. The calls are counted from a run without faults, so a new step is covered without anyone
//! remembering. A case that does not hold is named by state, operation, call and fault.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use dreichor_test_support::fake_engine::{Controls, ErrorBody, Fault, FaultProxy, Kind, Verb};
use serde_json::{Value, json};

use crate::harness::{self, Agent, Answer, World, until};

/// The least that the other settings of [`world`] allow.
const BUDGET: Duration = Duration::from_secs(30);

/// What holds the name before the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Absent,
    Running,
    Exited,
    Created,
    Paused,
    Restarting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Deploy,
    Stop,
}

/// A call of an operation: the first inspect, the second one, …
type Call = (Verb, usize);

fn world(kind: harness::Kind) -> World {
    let mut world = World::new(kind);
    for (name, value) in [
        ("STOP_GRACE_SECONDS", "0"),
        ("START_CONFIRMATION_SECONDS", "0"),
        ("OPERATION_BUDGET_SECONDS", "30"),
        ("STATUS_MAX_AGE_SECONDS", "3"),
    ] {
        world.set(name, value);
    }
    for tag in ["1.0.0", "2.0.0", "3.0.0"] {
        world.push(tag, &["run"]);
    }
    world.push("0.0.1", &["crash"]);
    world
}

/// The same without the log's details: thousands of operations.
fn agent(world: &World) -> Agent {
    Agent::start(&world.env_file(), world.port, &world.path("agent.log"), &[])
}

/// Brings the name into a state, past the agent.
fn arrange(world: &World, before: Before) {
    if let Some(shown) = world.container() {
        world.remove(shown["Id"].as_str().expect("an id"));
    }
    let started = |tag, policy| {
        let id = world.foreign_container(tag, policy);
        world.act(&id, "start");
        id
    };
    match before {
        Before::Absent => {}
        Before::Running => drop(started("1.0.0", "unless-stopped")),
        Before::Created => drop(world.foreign_container("1.0.0", "no")),
        Before::Exited => {
            let id = started("1.0.0", "no");
            world.act(&id, "stop?t=0");
        }
        Before::Paused => {
            let id = started("1.0.0", "no");
            world.act(&id, "pause");
        }
        Before::Restarting => {
            started("0.0.1", "always");
            until("in backoff", Duration::from_secs(20), || {
                world.shown()["State"]["Restarting"] == true
            });
        }
    }
}

fn operate(world: &World, agent: &Agent, operation: Operation) -> Answer {
    match operation {
        Operation::Deploy => agent.deploy(&world.image("2.0.0")),
        Operation::Stop => agent.stop(),
    }
}

/// The calls of an operation from this state, counted from a run without faults.
fn calls_of(
    world: &World,
    agent: &Agent,
    controls: &Controls,
    before: Before,
    operation: Operation,
) -> Vec<Call> {
    arrange(world, before);
    controls.reset_calls();
    assert_eq!(operate(world, agent, operation).status, 200);
    let mut counts: BTreeMap<Verb, usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for call in controls.calls() {
        let verb = call.verb;
        if !matches!(verb, Verb::Events | Verb::Ping) {
            let nth = counts.entry(verb).or_default();
            *nth += 1;
            calls.push((verb, *nth));
        }
    }
    assert!(calls.len() >= 2, "{calls:?}");
    calls
}

/// Faults that end at once.
fn quick_faults((verb, nth): Call) -> Vec<Fault> {
    let json = |code| Kind::Status(code, ErrorBody::Json("made up by the test".to_owned()));
    let plain = Kind::Status(500, ErrorBody::Plain("made up by the test".to_owned()));
    let before = [
        Kind::Cut,
        Kind::Garbage,
        json(400),
        json(404),
        json(409),
        json(500),
        json(503),
        plain.clone(),
    ];
    let after = [
        Kind::Cut,
        Kind::CutMidBody,
        Kind::Garbage,
        json(500),
        plain,
        Kind::MissingFields,
        Kind::UnknownStatus,
        Kind::SplitCrlf,
        Kind::Drip(Duration::from_millis(1)),
    ];
    let before = before
        .into_iter()
        .map(|kind| Fault::before(verb, kind).nth(nth));
    before
        .chain(
            after
                .into_iter()
                .map(|kind| Fault::after(verb, kind).nth(nth)),
        )
        .collect()
}

/// Faults that only a deadline ends.
fn slow_faults((verb, nth): Call) -> Vec<Fault> {
    vec![
        Fault::before(verb, Kind::Silence).nth(nth),
        Fault::after(verb, Kind::Silence).nth(nth),
        Fault::after(verb, Kind::Stall).nth(nth),
    ]
}

/// Runs one case and gives what does not hold.
fn case(
    world: &World,
    agent: &Agent,
    controls: &Controls,
    before: Before,
    operation: Operation,
    fault: &Fault,
) -> Result<(), String> {
    arrange(world, before);
    let identity = |shown: Option<Value>| {
        shown.map(|shown| {
            json!([
                shown["Id"],
                shown["State"]["StartedAt"],
                shown["State"]["Running"]
            ])
        })
    };
    let old = identity(world.container());
    controls.inject(fault.clone());
    let begun = Instant::now();
    let answer = operate(world, agent, operation);
    let took = begun.elapsed();
    controls.clear_faults();
    let must = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => Err(format!("{what}: {} {}", answer.status, answer.body)),
    };
    must(
        took < BUDGET + Duration::from_secs(1),
        "it ends within the budget",
    )?;
    let shown = world.container();
    must(world.count() <= 1, "one container at most")?;
    let outcome = last_outcome(world);
    must(
        outcome["http"] == answer.status,
        "the trail has the answer's code",
    )?;
    must(
        (outcome["outcome"] == "succeeded") == (answer.status == 200),
        "the trail has the answer's outcome",
    )?;
    if answer.status == 200 {
        match operation {
            Operation::Deploy => {
                let shown = shown.clone().unwrap_or_default();
                must(
                    shown["Config"]["Image"] == world.image("2.0.0"),
                    "200: the image that was asked for",
                )?;
                must(shown["State"]["Status"] == "running", "200: it runs")?;
            }
            Operation::Stop => must(shown.is_none(), "200: no container")?,
        }
    } else {
        let reason = answer.reason();
        let step = outcome["failed_step"].as_str().unwrap_or_default();
        must(
            reason.starts_with(&format!("{step} failed: ")),
            "the reason names the step",
        )?;
        if ["preflight", "pull", "verify"].contains(&step) && before != Before::Restarting {
            must(
                identity(shown) == old,
                "nothing before stop touches the old container",
            )?;
        }
    }
    agrees(world, agent)?;
    let next = agent.deploy(&world.image("3.0.0"));
    match next.status {
        200 => Ok(()),
        other => Err(format!("the next deploy gave {other}: {}", next.body)),
    }
}

/// Within its bound the status shows what the engine shows.
fn agrees(world: &World, agent: &Agent) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(8);
    loop {
        let up = world
            .container()
            .filter(|shown| shown["State"]["Status"] == "running");
        let image = up
            .as_ref()
            .map_or(Value::Null, |shown| shown["Config"]["Image"].clone());
        let answer = agent.status_answer();
        if answer.status == 200 {
            let status = answer.json();
            if status["running"] == up.is_some() && status["image"] == image {
                return Ok(());
            }
        }
        if Instant::now() > end {
            return Err(format!(
                "the status does not agree with the engine: {} {image}",
                answer.body
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The newest outcome, from the trail's end: it holds thousands.
fn last_outcome(world: &World) -> Value {
    let mut file = std::fs::File::open(world.path("state/audit.jsonl")).expect("a trail");
    let length = file.metadata().expect("a length").len();
    file.seek(SeekFrom::Start(length.saturating_sub(64 * 1024)))
        .expect("seekable");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("text");
    let outcome = text
        .lines()
        .rev()
        .find(|line| line.contains("\"operation_ended\""));
    serde_json::from_str(outcome.expect("an outcome")).expect("JSON")
}

/// Every case from one state; tells how many there were.
fn matrix(
    world: &World,
    controls: &Controls,
    states: &[Before],
    faults: fn(Call) -> Vec<Fault>,
) -> usize {
    let agent = agent(world);
    let (mut size, mut wrong) = (0, Vec::new());
    for before in states {
        for operation in [Operation::Deploy, Operation::Stop] {
            for call in calls_of(world, &agent, controls, *before, operation) {
                for fault in faults(call) {
                    size += 1;
                    if let Err(problem) = case(world, &agent, controls, *before, operation, &fault)
                    {
                        wrong.push(format!(
                            "{operation:?} from {before:?} with {fault:?}: {problem}"
                        ));
                    }
                }
            }
        }
    }
    let log = agent.log();
    assert!(!log.contains("panic at"), "{log}");
    assert!(
        wrong.is_empty(),
        "{} of {size} cases do not hold:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    drop(agent);
    let (verdict, said) = crate::audit::verdict_of(&world.path("state"), None, false);
    assert_eq!(verdict, deploy_agent::audit::Verdict::Intact, "{said}");
    println!("fault matrix from {states:?}: {size} cases hold");
    size
}

fn on_the_fake(states: &[Before], faults: fn(Call) -> Vec<Fault>) {
    let world = world(harness::Kind::Fake);
    let fake = world.fake.as_ref().expect("the fake engine");
    assert!(matrix(&world, fake.controls(), states, faults) > 10);
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[test]
fn every_fault_of_every_call_from_nothing() {
    on_the_fake(&[Before::Absent], quick_faults);
}

#[test]
fn every_fault_of_every_call_over_a_running_container() {
    on_the_fake(&[Before::Running], quick_faults);
}

#[test]
fn every_fault_of_every_call_over_a_container_that_ended_or_never_ran() {
    on_the_fake(&[Before::Exited, Before::Created], quick_faults);
}

#[test]
fn every_fault_of_every_call_over_a_paused_or_restarting_container() {
    on_the_fake(&[Before::Paused, Before::Restarting], quick_faults);
}

#[test]
fn every_answer_that_never_ends_is_given_up_in_time() {
    // Each waits for a deadline: from the state that matters most, each call in a world of its own, side by side.
    let calls = {
        let world = world(harness::Kind::Fake);
        let fake = world.fake.as_ref().expect("the fake engine");
        let agent = agent(&world);
        [Operation::Deploy, Operation::Stop].map(|operation| {
            let calls = calls_of(&world, &agent, fake.controls(), Before::Running, operation);
            (operation, calls)
        })
    };
    let cases = calls.into_iter().flat_map(|(operation, calls)| {
        let faults = calls.into_iter().flat_map(slow_faults);
        faults
            .map(move |fault| (operation, fault))
            .collect::<Vec<_>>()
    });
    let cases = std::sync::Mutex::new(cases.collect::<Vec<_>>());
    let size = cases.lock().expect("unpoisoned").len();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let world = world(harness::Kind::Fake);
                let fake = world.fake.as_ref().expect("the fake engine");
                let agent = agent(&world);
                loop {
                    let next = cases.lock().expect("unpoisoned").pop();
                    let Some((operation, fault)) = next else {
                        return;
                    };
                    let held = case(
                        &world,
                        &agent,
                        fake.controls(),
                        Before::Running,
                        operation,
                        &fault,
                    );
                    assert_eq!(held, Ok(()), "{operation:?} with {fault:?}");
                }
            });
        }
    });
    println!("fault matrix of endless answers: {size} cases hold");
}

/// The real engine behind a proxy that misbehaves: every step and every kind of fault.
#[test]
fn every_fault_of_every_call_of_the_real_engine() {
    let mut world = world(harness::Kind::Real);
    let socket = world.path("proxy.sock");
    let proxy = FaultProxy::start(&socket, harness::real_socket());
    world.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
    let chosen = |call: Call| {
        let all = quick_faults(call);
        // Each call meets each third fault, each fault a third of the calls.
        let shift = call.0.name().len() + call.1;
        all.into_iter().skip(shift % 3).step_by(3).collect()
    };
    let size = matrix(&world, proxy.controls(), &[Before::Running], chosen);
    assert!(size > 30);
}
