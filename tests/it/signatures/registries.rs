//! Registries that refuse, fail, stall or lie when they are asked for signatures: 502 or 504, never "not signed". And
//! those that let themselves be asked: by token, by password, through a blob store.

use std::time::{Duration, Instant};

use base64::Engine as _;
use dreichor_test_support::images;
use dreichor_test_support::registry::{Fault, What};
use serde_json::json;

use super::signer::{BUNDLE, Signer, bundle_manifest, fallback_tag, list, statement};
use super::{enforcing, refused, running_signed};
use crate::harness::{Kind, REGISTRY_PASSWORD, World};

on_both_engines!(
    a_registry_like_ghcr_is_asked_by_token_for_this_repository_alone,
    a_registry_with_a_blob_store_is_followed_without_credentials,
);

fn log_in(world: &World, user: &str, password: &str) {
    let host = world.repository.split('/').next().expect("a host");
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let config = json!({ "auths": { host: { "auth": auth } } });
    std::fs::write(world.path("docker/config.json"), config.to_string()).expect("written");
}

/// 404 for referrers, the fallback tag, a challenge with a scope, a token that is given for nothing wider.
fn a_registry_like_ghcr_is_asked_by_token_for_this_repository_alone(mut world: World) {
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let path = world.repository_path().to_owned();
    world
        .registry
        .require_scoped_bearer("deployer", REGISTRY_PASSWORD, &path);
    log_in(&world, "deployer", REGISTRY_PASSWORD);
    let (agent, _) = running_signed(&world, &signer);
    let image = world.push_runtime("2.0.0");
    signer.sign_simple(&world, "2.0.0", &image.digest);
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn a_registry_with_a_blob_store_is_followed_without_credentials(mut world: World) {
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    world.registry.require_basic("deployer", REGISTRY_PASSWORD);
    world.registry.move_blobs_to_a_store();
    log_in(&world, "deployer", REGISTRY_PASSWORD);
    let (_agent, _) = running_signed(&world, &signer);
}

#[test]
fn what_a_registry_answers_instead_is_no_verdict() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let (agent, _) = running_signed(&world, &signer);
    let faults = [
        (
            Fault::Status(401),
            "refuses access to its signatures (401, and there are no credentials for it)",
        ),
        (Fault::Status(403), "refuses access to its signatures (403"),
        (Fault::Status(429), "answered 429"),
        (Fault::Status(500), "answered 500"),
        (Fault::Status(503), "answered 503"),
        (Fault::Cut, "could not be reached or broke off"),
        (Fault::CutMidBody, "broke off"),
    ];
    let mut number = 0;
    for what in [What::Signatures, What::Attached] {
        for (fault, words) in faults {
            number += 1;
            let tag = format!("2.0.{number}");
            let image = world.push_runtime(&tag);
            signer.sign(&world, &tag, &image.digest);
            world.registry.fault(what, fault);
            let answer = refused(&world, &agent, &tag, 502, &[words]);
            world.registry.heal();
            assert!(
                !answer.reason().contains("not signed"),
                "{what:?} {fault:?}"
            );
            assert_eq!(world.last_outcome()["signature"]["verdict"], "unanswered");
        }
    }
    for (what, fault) in [
        (What::Attached, Fault::Corrupt),
        (What::Signatures, Fault::WrongDigest),
    ] {
        number += 1;
        let tag = format!("2.0.{number}");
        let image = world.push_runtime(&tag);
        signer.sign(&world, &tag, &image.digest);
        world.registry.fault(what, fault);
        refused(&world, &agent, &tag, 502, &["other bytes than the digest"]);
        world.registry.heal();
        assert_eq!(agent.deploy(&world.image(&tag)).status, 200, "{what:?}");
    }
}

#[test]
fn a_registry_that_stalls_is_given_up_in_time() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let (agent, _) = running_signed(&world, &signer);
    let image = world.push_runtime("2.0.0");
    signer.sign(&world, "2.0.0", &image.digest);
    world.registry.fault(What::Attached, Fault::StallMidBody);
    let begun = Instant::now();
    refused(
        &world,
        &agent,
        "2.0.0",
        504,
        &["no whole answer about signatures within 15 s"],
    );
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    world.registry.heal();
}

#[test]
fn what_is_listed_and_not_there_is_a_fault_of_the_registry() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let (agent, _) = running_signed(&world, &signer);
    let image = world.push_runtime("2.0.0");
    let bundle = signer
        .bundle(&statement(&image.digest, "2.0.0", "dev"))
        .to_string();
    let manifest = bundle_manifest(&world, &image.digest, BUNDLE, bundle.as_bytes());
    let index = list(&world, std::slice::from_ref(&manifest));
    let path = world.repository_path();
    let tag = fallback_tag(&image.digest);
    world
        .registry
        .attach(path, Some(&tag), images::INDEX, &index);
    world.registry.delete(path, &images::digest(&manifest));
    refused(
        &world,
        &agent,
        "2.0.0",
        502,
        &["lists a signature and does not have it"],
    );
}

#[test]
fn a_token_server_that_gives_none_is_named() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let (agent, _) = running_signed(&world, &signer);
    log_in(&world, "deployer", REGISTRY_PASSWORD);
    // The fake engine asks for no scope: it pulls, and the agent is given nothing for its own repository.
    world
        .registry
        .require_scoped_bearer("deployer", REGISTRY_PASSWORD, "another/repository");
    let image = world.push_runtime("2.0.0");
    signer.sign(&world, "2.0.0", &image.digest);
    refused(
        &world,
        &agent,
        "2.0.0",
        502,
        &["token server answered 403 instead of a token"],
    );
    // The token of the pull is good for the whole deploy; of the question another is asked for.
    world
        .registry
        .require_scoped_bearer("deployer", REGISTRY_PASSWORD, world.repository_path());
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
}

#[test]
fn a_list_of_referrers_is_followed_from_page_to_page() {
    let mut world = World::new(Kind::Fake);
    let (signer, other) = (Signer::new(), Signer::new());
    enforcing(&mut world, &signer);
    world.registry.serve_referrers_in_pages();
    let refer = |signer: &Signer, tag: &str, digest: &str| {
        let bundle = signer.bundle(&statement(digest, tag, "dev")).to_string();
        let manifest = bundle_manifest(&world, digest, BUNDLE, bundle.as_bytes());
        let path = world.repository_path();
        world
            .registry
            .attach(path, None, images::MANIFEST, &manifest);
    };
    let agent = world.agent();
    for (tag, of_others) in [("1.0.0", 0), ("2.0.0", 4)] {
        let image = world.push_runtime(tag);
        for number in 0..of_others {
            refer(&other, &format!("{tag}-{number}"), &image.digest);
        }
        refer(&signer, tag, &image.digest);
        let answer = agent.deploy(&world.image(tag));
        assert_eq!(answer.status, 200, "{tag}: {}", answer.body);
    }
    // A list that never ends is left in time.
    let image = world.push_runtime("3.0.0");
    for number in 0..20 {
        refer(&other, &format!("3.0.0-{number}"), &image.digest);
    }
    refused(
        &world,
        &agent,
        "3.0.0",
        422,
        &["more than 8 pages", "no key of SIGNATURE_KEYS made it"],
    );
    let asked = world.registry.seen();
    let of_it = |seen: &&dreichor_test_support::registry::Seen| {
        seen.path.ends_with(&format!("/referrers/{}", image.digest))
    };
    assert_eq!(asked.iter().filter(of_it).count(), 8, "pages");
}
