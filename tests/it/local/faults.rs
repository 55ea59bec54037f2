//! Every call of a pull ahead and of a prune meets every kind of fault: the runtime is never touched, the trail tells the
//! answer's outcome, and the same command succeeds afterwards.

use std::time::Duration;

use dreichor_test_support::fake_engine::{ErrorBody, Fault, Kind, Verb};

use super::kills::{PRUNE, prunable};
use crate::faults::{assert_intact, last_outcome};
use crate::harness::{Agent, World};

fn faults(verb: Verb) -> Vec<Fault> {
    let json = |code| Kind::Status(code, ErrorBody::Json("made up by the test".to_owned()));
    let before = [
        Kind::Cut,
        Kind::Garbage,
        json(400),
        json(404),
        json(409),
        json(500),
    ];
    let after = [
        Kind::Cut,
        Kind::CutMidBody,
        Kind::Garbage,
        json(500),
        Kind::MissingFields,
        Kind::Drip(Duration::from_millis(1)),
        Kind::ThenRefuse,
    ];
    let before = before.into_iter().map(|kind| Fault::before(verb, kind));
    let after = after.into_iter().map(|kind| Fault::after(verb, kind));
    before.chain(after).map(|fault| fault.nth(1)).collect()
}

fn every_fault_of(
    world: &World,
    command: &str,
    arguments: &[&str],
    verbs: &[Verb],
    again: impl Fn(&Agent),
) {
    let fake = world.fake.as_ref().expect("the fake engine");
    let agent = world.agent();
    let mut cases = 0;
    for fault in verbs.iter().flat_map(|verb| faults(*verb)) {
        cases += 1;
        again(&agent);
        let running = world.identity();
        fake.controls().inject(fault.clone());
        let (code, said) = world.operator(command, arguments);
        fake.controls().clear_faults();
        let outcome = last_outcome(world);
        assert_eq!(outcome["kind"], command, "{fault:?}: {said}");
        assert_eq!(
            outcome["outcome"] == "succeeded",
            code == 0,
            "{fault:?}: {said} {outcome}"
        );
        assert_eq!(world.identity(), running, "{fault:?}: {said}");
        assert!(
            !said.contains("runtime container"),
            "it is no matter of a {command}: {said}"
        );
        let (code, said) = world.operator(command, arguments);
        assert_eq!(code, 0, "after {fault:?}: {said}");
    }
    assert_eq!(fake.violations(), Vec::<String>::new());
    println!("tried: {cases} cases hold, faults of the calls of a {command}");
}

#[test]
fn every_fault_of_a_prune_leaves_the_runtime_alone_and_is_told() {
    let world = prunable();
    let (command, arguments) = PRUNE;
    let verbs = [Verb::ImageList, Verb::ImageRemove];
    every_fault_of(&world, command, &arguments, &verbs, |agent| {
        for tag in ["1.0.0", "1.0.2"] {
            assert_eq!(agent.deploy(&world.image(tag)).status, 200);
        }
    });
    assert_intact(&world);
}

#[test]
fn every_fault_of_a_pull_ahead_leaves_the_runtime_alone_and_is_told() {
    let world = super::quick();
    drop(world.running_one());
    world.push("2.0.0", &["run"]);
    let verbs = [Verb::Version, Verb::ImagePull, Verb::ImageInspect];
    every_fault_of(&world, "pull", &["2.0.0"], &verbs, |_| {});
    assert_intact(&world);
}
