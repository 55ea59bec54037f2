//! What counts as a signature, and deploys.

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
