//! What counts as a signature, and what becomes of it: the deploy, the record, `history`, `check`.

use std::process::Command;

use dreichor_test_support::fake_engine::Verb;
use dreichor_test_support::images::{self, ImageSpec};
use serde_json::json;

use super::signer::{self, Signer, attach, attach_simple, simple, statement};
use super::{enforcing, policy, refused, running_signed};
use crate::harness::{Kind, World};

on_both_engines!(
    both_forms_deploy_and_the_key_is_recorded,
    the_digest_of_the_index_counts_and_not_that_of_a_platform,
);

fn both_forms_deploy_and_the_key_is_recorded(mut world: World) {
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let (agent, _) = running_signed(&world, &signer);
    let record = world.last_outcome()["signature"].clone();
    assert_eq!(
        record,
        json!({ "policy": "enforce", "verdict": "signed", "key": signer.id(), "form": "bundle" })
    );
    let image = world.push_runtime("2.0.0");
    signer.sign_simple(&world, "2.0.0", &image.digest);
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let record = world.last_outcome()["signature"].clone();
    assert_eq!(record["form"], "simple_signing");
    assert_eq!(record["key"], signer.id());
}

/// What counts is what was pulled under the tag and runs by its digest: the index, where there is one. Its hash covers
/// every manifest that it leads to; a platform's manifest says nothing of the index.
fn the_digest_of_the_index_counts_and_not_that_of_a_platform(mut world: World) {
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let (agent, _) = running_signed(&world, &signer);
    let ours = ImageSpec::runtime(world.runtime).salt(&world.name).build();
    let other = ImageSpec::mode(&["run"]).architecture("riscv64").build();
    let path = world.repository_path();
    world.registry.put_index(path, "2.0.0", &[&other, &ours]);
    let index = images::digest(&images::index(&[&other, &ours]));
    signer.sign(&world, "2.0.0", &ours.digest);
    let missing = format!("no signature of {index}");
    refused(&world, &agent, "2.0.0", 422, &[&missing]);
    signer.sign(&world, "2.0.0", &index);
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    // The other way round: the tag leads to the manifest alone, and the index that holds it is signed.
    let next = ImageSpec::runtime(world.runtime).salt("next").build();
    world.registry.put_index(path, "3.0.0-index", &[&next]);
    let index = images::digest(&images::index(&[&next]));
    signer.sign(&world, "3.0.0", &index);
    world.registry.put(path, "3.0.0", &next);
    let missing = format!("no signature of {}", next.digest);
    refused(&world, &agent, "3.0.0", 422, &[&missing]);
}

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
        calls.map(|call| call.verb.name()).collect::<Vec<_>>()
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
    use dreichor_test_support::registry::{Fault, What};
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
fn a_key_is_rotated_with_both_keys_pinned_for_a_while() {
    let mut world = World::new(Kind::Fake);
    let (old, new) = (Signer::new(), Signer::new());
    policy(&mut world, "enforce", &[&old, &new]);
    let (agent, _) = running_signed(&world, &old);
    let image = world.push_runtime("2.0.0");
    new.sign(&world, "2.0.0", &image.digest);
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    assert_eq!(world.last_outcome()["signature"]["key"], new.id());
    drop(agent);
    policy(&mut world, "enforce", &[&new]);
    let agent = world.agent();
    let image = world.push_runtime("3.0.0");
    old.sign(&world, "3.0.0", &image.digest);
    refused(
        &world,
        &agent,
        "3.0.0",
        422,
        &["no key of SIGNATURE_KEYS made it"],
    );
}

#[test]
fn a_signature_that_counts_is_found_among_others() {
    let mut world = World::new(Kind::Fake);
    let (signer, other) = (Signer::new(), Signer::new());
    enforcing(&mut world, &signer);
    let (agent, _) = running_signed(&world, &signer);
    let image = world.push_runtime("2.0.0");
    let digest = &image.digest;
    let bundles = [
        "no bundle".to_owned(),
        signer
            .bundle(&statement(digest, "2.0.0", "prod"))
            .to_string(),
        signer
            .bundle(&statement(digest, "2.0.0", "dev"))
            .to_string(),
        other.bundle(&statement(digest, "2.0.0", "dev")).to_string(),
    ];
    attach(&world, digest, &bundles);
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let image = world.push_runtime("3.0.0");
    let payload = |environment| {
        let payload = simple(&world.repository, &image.digest, "3.0.0", environment).to_string();
        let signature = signer.signature(payload.as_bytes());
        (payload, signature)
    };
    attach_simple(&world, &image.digest, &[payload("dev"), payload("prod")]);
    let answer = agent.deploy(&world.image("3.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_registry_with_the_referrers_api_is_asked_through_it_and_the_fallback_tag_still_counts() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    world.registry.serve_referrers();
    let image = world.push_runtime("1.0.0");
    let bundle = signer
        .bundle(&statement(&image.digest, "1.0.0", "dev"))
        .to_string();
    let manifest =
        signer::bundle_manifest(&world, &image.digest, signer::BUNDLE, bundle.as_bytes());
    let path = world.repository_path();
    world
        .registry
        .attach(path, None, images::MANIFEST, &manifest);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let seen = world.registry.seen();
    assert!(seen.iter().any(|seen| seen.path.contains("/referrers/")));
    assert!(
        !seen
            .iter()
            .any(|seen| seen.path.contains("/manifests/sha256-"))
    );
    // Signed before the registry had the API: listed by the tag alone, in a manifest that names no subject.
    let image = world.push_runtime("2.0.0");
    signer.sign_simple(&world, "2.0.0", &image.digest);
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn further_annotations_are_the_pipelines_own() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let (agent, _) = running_signed(&world, &signer);
    let image = world.push_runtime("2.0.0");
    let mut statement = statement(&image.digest, "2.0.0", "dev");
    let annotations = &mut statement["subject"][0]["annotations"];
    annotations["commit"] = json!("0123abc");
    annotations["run"] = json!(7);
    annotations["repository"] = json!(world.repository);
    attach(
        &world,
        &image.digest,
        &[signer.bundle(&statement).to_string()],
    );
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
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
    let history = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
            .env_clear()
            .arg("history")
            .args(more)
            .arg(world.path("state"))
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let table = history(&[]);
    let key = signer.id();
    assert!(table.contains("SIGNED BY"), "{table}");
    assert!(table.contains(&key["sha256:".len()..][..12]), "{table}");
    assert!(table.contains("not_signed"), "{table}");
    let json = history(&["--json"]);
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
