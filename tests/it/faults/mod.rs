//! Faults of the engine: every call that a deploy, a stop and the watcher make, times every fault, times every state
//! that the name can be in beforehand. The calls are counted from a run without faults, and the runs together show
//! every step of the code's own list, so a new step is covered without anyone remembering. A case that does not hold is
//! named by state, operation, call and fault.

mod before;
mod invariants;
mod matrix;
mod restarts;
mod watcher;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use deploy_agent::operation::Step;
use dreichor_test_support::fake_engine::{Controls, Gate, Verb};
use serde_json::{Value, json};

use crate::harness::{self, Agent, Answer, World};

pub use before::{Before, arrange};
pub use invariants::{Asked, agrees, broken, identity, last_outcome, state};

/// Seconds for an operation. Little more than the other settings of a world ask for, so that what only a deadline ends
/// is soon over; enough for a pull on a busy machine.
pub const BUDGET: u64 = 40;

/// What is asked for in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Deploy,
    /// Of an image that starts and ends with an error: the one road to the last step.
    DeployOfACrash,
    Stop,
}

impl Operation {
    pub const ALL: [Self; 3] = [Self::Deploy, Self::DeployOfACrash, Self::Stop];

    pub fn asked(self) -> Asked<'static> {
        match self {
            Self::Deploy => Asked::Deploy("2.0.0"),
            Self::DeployOfACrash => Asked::Deploy("0.0.2"),
            Self::Stop => Asked::Stop,
        }
    }

    pub fn perform(self, world: &World, agent: &Agent) -> Answer {
        let (route, body) = self.request(world);
        agent.post(route, &body)
    }

    /// Route and body of the request.
    pub fn request(self, world: &World) -> (&'static str, String) {
        match self.asked() {
            Asked::Deploy(tag) | Asked::DeployThatMayEnd(tag) => {
                let body = json!({ "image": world.image(tag) });
                ("/v1/deploy", body.to_string())
            }
            Asked::Stop => ("/v1/stop", String::new()),
        }
    }

    /// What an engine without faults makes of it.
    pub const fn unharmed(self) -> u16 {
        match self {
            Self::Deploy | Self::Stop => 200,
            Self::DeployOfACrash => 500,
        }
    }
}

/// A call of an operation: the first inspect, the second one, …
pub type Call = (Verb, usize);

/// A world with short times: no grace, and so many seconds to watch a new container. Without one a deploy is over with
/// one look; what starts and crashes needs one.
pub fn world_with_window(kind: harness::Kind, window: u64) -> World {
    let mut world = World::new(kind);
    for (name, value) in [
        ("STOP_GRACE_SECONDS", "0"),
        ("START_CONFIRMATION_SECONDS", &window.to_string()),
        ("OPERATION_BUDGET_SECONDS", &BUDGET.to_string()),
        ("STATUS_MAX_AGE_SECONDS", "3"),
    ] {
        world.set(name, value);
    }
    for tag in ["1.0.0", "2.0.0", "3.0.0"] {
        world.push(tag, &["run"]);
    }
    world.push("0.0.1", &["crash"]);
    world.push("0.0.2", &["crash"]);
    world
}

/// The same without the log's details: thousands of operations.
pub fn agent(world: &World) -> Agent {
    Agent::start(&world.env_file(), world.port, &world.path("agent.log"), &[])
}

/// The calls of an operation from this state, counted from a run without faults.
pub fn calls_of(
    world: &World,
    agent: &Agent,
    controls: &Controls,
    before: Before,
    operation: Operation,
) -> Vec<Call> {
    arrange(world, before);
    controls.reset_calls();
    let answer = operation.perform(world, agent);
    assert_eq!(answer.status, operation.unharmed(), "{}", answer.body);
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

/// Goes through the calls of an operation: `at` is told the call, and says false when the operation ends without it.
/// Looks of the watcher count among the inspects, so there may be more than in the run that was counted.
pub fn at_every_call(counted: Vec<Call>, mut at: impl FnMut(Call) -> bool) {
    let verbs: BTreeSet<Verb> = counted.into_iter().map(|(verb, _)| verb).collect();
    for verb in verbs {
        for nth in 1.. {
            if !at((verb, nth)) {
                break;
            }
        }
    }
}

/// Waits until a call stands at the gate; false when the operation ends without it. Its client waits for a bounded time.
pub fn comes(gate: &Gate, ended: impl Fn() -> bool) -> bool {
    loop {
        let over = ended();
        if gate.arrived() > 0 || over {
            return gate.arrived() > 0;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The steps that the trail of a world shows.
fn steps_of(world: &World) -> BTreeSet<String> {
    let started = world.events("step_started");
    let steps = started.iter().filter_map(|record| record["step"].as_str());
    steps.map(str::to_owned).collect()
}

/// No call can hide from the matrix: what its operations do is everything that the code can do.
#[test]
fn the_operations_of_the_matrix_show_every_step_of_the_code() {
    let world = world_with_window(harness::Kind::Fake, 1);
    let agent = agent(&world);
    arrange(&world, Before::Running);
    for operation in Operation::ALL {
        let answer = operation.perform(&world, &agent);
        assert_eq!(answer.status, operation.unharmed(), "{}", answer.body);
    }
    let all = Step::ALL.map(|step| step.as_str().to_owned());
    assert_eq!(steps_of(&world), BTreeSet::from(all));
}

/// Whether the trail of a world is what its agent wrote, read by the program's own eyes.
pub fn assert_intact(world: &World) {
    let (verdict, said) = crate::trail::fixture::verdict_of(&world.path("state"), None, false);
    assert_eq!(verdict, deploy_agent::audit::Verdict::Intact, "{said}");
}

/// A container as a fresh inspect shows it, without what changes by itself.
pub fn shown_as(shown: &Value) -> String {
    format!(
        "{} {} {}",
        shown["Id"], shown["State"]["Status"], shown["State"]["StartedAt"]
    )
}
