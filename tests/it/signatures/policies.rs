//! What the policies do: off asks nobody, warn records, enforce refuses; where the verdict is told, and what it costs.

use dreichor_test_support::fake_engine::Verb;
use dreichor_test_support::registry::{Fault, What};

use super::signer::Signer;
use super::{enforcing, policy, refused, running_signed};
use crate::harness::{Kind, World, until};

#[test]
fn without_a_policy_nobody_asks_and_nothing_is_recorded() {
    let world = World::new(Kind::Fake);
    let (_agent, _) = world.running_one();
    let asked = world.registry.seen();
    let signatures = asked.iter().filter(|seen| {
        seen.path.contains("/referrers/") || seen.path.contains("/manifests/sha256-")
    });
    assert_eq!(signatures.count(), 0);
    assert!(world.last_outcome().get("signature").is_none());
}

/// The engine is asked not once more; the registry only where the policy is on.
#[test]
fn signatures_cost_the_engine_no_call() {
    let calls = |signed: bool| {
        let mut world = World::new(Kind::Fake);
        let signer = Signer::new();
        if signed {
            enforcing(&mut world, &signer);
        }
        let image = world.push_runtime("1.0.0");
        signer.sign(&world, "1.0.0", &image.digest);
        let agent = world.agent();
        let fake = world.fake.as_ref().expect("the fake engine");
        fake.controls().reset_calls();
        assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
        let calls = fake.controls().calls();
        // The watcher looks whenever it likes.
        let looks = [Verb::ContainerInspect, Verb::ContainerList, Verb::Events];
        let calls = calls.iter().filter(|call| !looks.contains(&call.verb));
        // What the preflight asks at once comes in either order.
        let mut names: Vec<_> = calls.map(|call| call.verb.name()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(calls(false), calls(true));
}

#[test]
fn warn_deploys_records_and_logs_what_is_missing() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    policy(&mut world, "warn", &[&signer]);
    let (agent, _) = world.running_one();
    let record = world.last_outcome()["signature"].clone();
    assert_eq!(record["policy"], "warn");
    assert_eq!(record["verdict"], "not_signed");
    assert!(
        record["detail"]
            .as_str()
            .expect("text")
            .contains("no signature of sha256:")
    );
    assert!(record.get("key").is_none());
    assert!(
        agent
            .log()
            .contains("deployed without an accepted signature")
    );
    let image = world.push_runtime("2.0.0");
    signer.sign(&world, "2.0.0", &image.digest);
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    assert_eq!(world.last_outcome()["signature"]["verdict"], "signed");
}

#[test]
fn warn_deploys_also_when_the_registry_does_not_say() {
    let mut world = World::new(Kind::Fake);
    policy(&mut world, "warn", &[&Signer::new()]);
    world.registry.fault(What::Signatures, Fault::Status(500));
    let (_agent, _) = world.running_one();
    let record = world.last_outcome()["signature"].clone();
    assert_eq!(record["verdict"], "unanswered");
    assert!(
        record["detail"]
            .as_str()
            .expect("text")
            .contains("answered 500")
    );
}

#[test]
fn history_shows_who_signed_and_that_nobody_did() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let (agent, _) = running_signed(&world, &signer);
    world.push_runtime("2.0.0");
    refused(
        &world,
        &agent,
        "2.0.0",
        422,
        &["the registry has no signature"],
    );
    let table = world.history(&[]);
    let key = signer.id();
    assert!(table.contains("SIGNED BY"), "{table}");
    assert!(table.contains(&key["sha256:".len()..][..12]), "{table}");
    assert!(table.contains("not_signed"), "{table}");
    let json = world.history(&["--json"]);
    assert!(json.contains(&format!("\"key\":\"{key}\"")), "{json}");
}

/// What a deploy would refuse is said when it is fetched ahead, by the same question.
#[test]
fn a_pull_ahead_asks_for_the_signature_too_and_status_shows_the_policy() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let (_agent, _) = running_signed(&world, &signer);
    let old = world.identity();
    let image = world.push_runtime("2.0.0");
    let (code, said) = world.operator("pull", &["2.0.0"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("the registry has no signature"), "{said}");
    let outcome = world.last_outcome();
    assert_eq!(outcome["http"], 422);
    assert_eq!(outcome["signature"]["verdict"], "not_signed");
    signer.sign(&world, "2.0.0", &image.digest);
    let (code, said) = world.operator("pull", &["2.0.0"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(world.last_outcome()["signature"]["key"], signer.id());
    assert_eq!(world.identity(), old);
    let (_, said) = world.operator("status", &[]);
    assert!(
        said.contains(&format!("enforce, by {}", signer.id())),
        "{said}"
    );
}

#[test]
fn the_metrics_tell_which_policy_holds() {
    let mut world = World::new(Kind::Fake);
    policy(&mut world, "warn", &[&Signer::new()]);
    std::fs::create_dir_all(world.path("metrics")).expect("made");
    let file = world.path("metrics/dreichor-dev.prom");
    world.set("METRICS_FILE", &file.display().to_string());
    let _agent = world.agent();
    let line = |policy: &str, value: u8| {
        format!("dreichor_signature_policy{{environment=\"dev\",policy=\"{policy}\"}} {value}")
    };
    until("it is told", std::time::Duration::from_secs(10), || {
        let told = std::fs::read_to_string(&file).unwrap_or_default();
        told.contains(&line("warn", 1)) && told.contains(&line("off", 0))
    });
}
