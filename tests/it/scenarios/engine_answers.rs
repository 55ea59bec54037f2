//! Engines that do not answer a question, and one that denies what it lists.

use std::time::Duration;

use dreichor_test_support::fake_engine::{ErrorBody, Fault, Kind, Verb};
use serde_json::json;

use crate::harness::{self, Answer, World};

on_both_engines!(
    an_engine_that_hangs_up_on_a_question_is_unreachable,
    a_question_without_an_answer_has_had_no_effect,
);

/// Every question of a deploy over a running container, and of one over none.
const QUESTIONS: [Verb; 4] = [
    Verb::Version,
    Verb::Info,
    Verb::ImageInspect,
    Verb::ContainerInspect,
];

/// Whether a reason says that the engine may have done something.
const DOUBT: &str = "took effect";

fn an_engine_that_hangs_up_on_a_question_is_unreachable(mut world: World) {
    world.push("1.0.0", &["run"]);
    let proxy = world.proxied();
    let controls = world.controls(&proxy);
    let agent = world.agent();
    let hangs_up_on = |verb: Verb, asked: &dyn Fn() -> Answer| {
        controls.inject(Fault::before(verb, Kind::Cut));
        let answer = asked();
        controls.clear_faults();
        assert_eq!(answer.status, 503, "{verb}: {}", answer.body);
        let reason = answer.reason();
        assert!(reason.contains("cannot be reached"), "{verb}: {reason}");
        assert!(!reason.contains(DOUBT), "{verb}: {reason}");
        assert_eq!(world.last_outcome()["outcome"], "failed", "{verb}");
    };
    let deploy = || agent.deploy(&world.image("1.0.0"));
    // Without a container, an inspect that denies it is not the last word.
    hangs_up_on(Verb::ContainerList, &deploy);
    assert_eq!(deploy().status, 200);
    let old = world.identity();
    for verb in QUESTIONS {
        hangs_up_on(verb, &deploy);
        assert_eq!(world.identity(), old, "{verb}");
    }
    hangs_up_on(Verb::ContainerInspect, &|| agent.stop());
    assert_eq!(world.identity(), old);
    assert_eq!(agent.stop().status, 200);
}

fn a_question_without_an_answer_has_had_no_effect(mut world: World) {
    world.push("1.0.0", &["run"]);
    let proxy = world.proxied();
    let controls = world.controls(&proxy);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let old = world.identity();
    let plain = ErrorBody::Plain("made up by the test".to_owned());
    for (kind, status) in [
        (Kind::Silence, 504),
        (Kind::Garbage, 502),
        (Kind::CutMidBody, 502),
        (Kind::Status(500, plain), 502),
    ] {
        controls.inject(Fault::after(Verb::Version, kind.clone()));
        let answer = agent.deploy(&world.image("1.0.0"));
        controls.clear_faults();
        assert_eq!(answer.status, status, "{kind:?}: {}", answer.body);
        assert!(
            !answer.reason().contains(DOUBT),
            "{kind:?}: {}",
            answer.body
        );
        assert_eq!(world.last_outcome()["outcome"], "failed", "{kind:?}");
        assert_eq!(world.identity(), old, "{kind:?}");
    }
}

/// A known fault of real engines, which cannot be made on purpose.
#[test]
fn a_container_that_is_listed_and_denied_is_neither_absent_nor_stopped() {
    let world = World::new(harness::Kind::Fake);
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let fake = world.fake.as_ref().expect("the fake engine");
    fake.deny(&world.name, true);
    let path = format!("/containers/{}/json", world.name);
    assert_eq!(world.engine("GET", &path, None).status, 404);
    fake.controls().reset_calls();
    for answer in [agent.deploy(&world.image("1.0.0")), agent.stop()] {
        assert_eq!(answer.status, 502, "{}", answer.body);
        let words = "lists a container of this name and denies it";
        assert!(answer.reason().contains(words), "{}", answer.body);
        assert_eq!(world.last_outcome()["state"], "untouched");
    }
    let changing = fake.controls().changing_calls();
    let pulls = changing.iter().filter(|call| call.verb != Verb::ImagePull);
    assert_eq!(pulls.count(), 0, "{changing:?}");
    // The view grows too old to be served, and never says that nothing runs.
    let answer = agent.status_until(Duration::from_secs(20), |answer| {
        assert!(
            answer.status == 503 || answer.json()["running"] == true,
            "{}",
            answer.body
        );
        answer.status == 503
    });
    assert_eq!(answer.status, 503);
    fake.deny(&world.name, false);
    agent.status_until(Duration::from_secs(20), |answer| answer.status == 200);
    assert_eq!(agent.status()["running"], json!(true));
    assert_eq!(agent.stop().status, 200);
}
