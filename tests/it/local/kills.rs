//! SIGKILL of the agent during a pull, a prune and a freeze: the next life closes what was open, nothing of the runtime
//! has changed, and the same command succeeds.

use std::time::Duration;

use dreichor_test_support::fake_engine::{Verb, When};

use super::quick;
use crate::faults::{assert_intact, comes};
use crate::harness::{World, until};

/// Two images that a prune would remove, and one that runs.
pub fn prunable() -> World {
    let world = quick();
    let agent = world.agent();
    for tag in ["1.0.0", "1.0.1", "1.0.2"] {
        world.push(tag, &["run"]);
        assert_eq!(agent.deploy(&world.image(tag)).status, 200);
    }
    world
}

pub const PRUNE: (&str, [&str; 3]) = ("prune", ["--keep", "0", "--yes"]);

/// One kill at a call of a command; false if the command makes no such call.
fn kill_at(world: &World, command: &str, arguments: &[&str], verb: Verb, when: When) -> bool {
    let fake = world.fake.as_ref().expect("the fake engine");
    let mut life = world.agent();
    let running = world.identity();
    let closed = world.events("operation_interrupted").len();
    let gate = fake.controls().gate_nth(verb, 1, when);
    let came = std::thread::scope(|scope| {
        let client = scope.spawn(|| world.operator(command, arguments));
        let came = comes(&gate, || client.is_finished());
        if came {
            life.signal("KILL");
            life.wait();
        }
        gate.release();
        let (code, said) = client.join().expect("ended");
        assert_eq!(code != 0, came, "{verb:?} {when:?}: {said}");
        came
    });
    drop(gate);
    if !came {
        return false;
    }
    let _life = world.agent();
    until("it is closed", Duration::from_secs(10), || {
        world.events("operation_interrupted").len() == closed + 1
    });
    let record = world.events("operation_interrupted").pop().expect("closed");
    assert_eq!(record["kind"], command, "{record}");
    assert_eq!(record["state"], "old_running", "{record}");
    assert_eq!(world.identity(), running, "{verb:?} {when:?}");
    true
}

#[test]
fn a_prune_killed_at_any_call_is_closed_and_the_next_one_ends_it() {
    let world = prunable();
    let (command, arguments) = PRUNE;
    let mut kills = 0;
    for when in [When::BeforeEffect, When::AfterEffect] {
        for verb in [Verb::ImageList, Verb::ImageRemove] {
            kills += usize::from(kill_at(&world, command, &arguments, verb, when));
        }
    }
    assert!(kills >= 3, "{kills}");
    let _agent = world.agent();
    let (code, said) = world.operator(command, &arguments);
    assert_eq!(code, 0, "{said}");
    let (_, said) = world.operator("prune", &["--keep", "0"]);
    assert!(said.contains("nothing to remove"), "{said}");
    drop(_agent);
    assert_intact(&world);
    println!("tried: {kills} cases hold, the agent is killed during a prune");
}

#[test]
fn a_pull_ahead_killed_at_any_call_is_closed_and_the_next_one_succeeds() {
    let world = quick();
    drop(world.running_one());
    world.push("2.0.0", &["run"]);
    let mut kills = 0;
    for when in [When::BeforeEffect, When::AfterEffect] {
        for verb in [Verb::Version, Verb::ImagePull, Verb::ImageInspect] {
            kills += usize::from(kill_at(&world, "pull", &["2.0.0"], verb, when));
        }
    }
    assert_eq!(kills, 6);
    let agent = world.agent();
    let (code, said) = world.operator("pull", &["2.0.0"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    drop(agent);
    assert_intact(&world);
    println!("tried: {kills} cases hold, the agent is killed during a pull ahead");
}

#[test]
fn a_freeze_killed_at_any_time_holds_or_does_not_and_never_without_a_record() {
    let world = quick();
    drop(world.running_one());
    let file = world.path("state/freeze.json");
    let (mut held, mut not) = (0, 0);
    for round in 0..12 {
        let mut life = world.agent();
        assert_eq!(world.operator("thaw", &[]).0, 0);
        let mut asks = world.operator_command("freeze", &["--reason", "x", "--until", "1h"]);
        let mut asks = asks.spawn().expect("the program runs");
        // Over the milliseconds that the program needs to start and the freeze to hold.
        std::thread::sleep(Duration::from_micros(1500 * round));
        life.signal("KILL");
        life.wait();
        let answered = asks.wait().expect("ended").success();
        let frozen = file.exists();
        assert!(frozen || !answered, "what was answered holds");
        let mut begun = world.events("operation_started");
        begun.retain(|record| record["kind"] == "freeze");
        assert!(!frozen || begun.len() > held, "never without a record");
        held = begun.len();
        not += usize::from(!frozen);
        let life = world.agent();
        let code = life.deploy(&world.image("1.0.0")).status;
        assert_eq!(code, if frozen { 423 } else { 200 });
        assert_eq!(life.stop().status, 200);
    }
    assert_intact(&world);
    println!(
        "tried: 12 cases hold, the agent is killed around a freeze; {not} of them before it held"
    );
}
