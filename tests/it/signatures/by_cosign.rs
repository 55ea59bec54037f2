//! The real cosign, 3 and 2, signs as the page of signing tells; what it signed deploys, and what it refuses we refuse.

use std::path::PathBuf;

use base64::Engine as _;
use dreichor_test_support::images::{self, ImageSpec};
use serde_json::json;

use super::cosign::{Cosign, RealRegistry, USER, blocks};
use super::refused;
use crate::harness::{Kind, REGISTRY_PASSWORD, World};

/// Where the blocks of the page come in.
const KEY: usize = 0;
const FINGERPRINT: usize = 1;
const SIGN: [(u8, usize, &str); 2] = [(3, 2, "bundle"), (2, 3, "simple_signing")];
const VERIFY: usize = 4;

fn enforce(world: &mut World) {
    let key = world.path("ci/cosign.pub").display().to_string();
    world.set("SIGNATURE_POLICY", "enforce");
    world.set("SIGNATURE_KEYS", &key);
}

fn log_in(world: &World) {
    let host = world.repository.split('/').next().expect("a host");
    let auth = format!("{USER}:{REGISTRY_PASSWORD}");
    let auth = base64::engine::general_purpose::STANDARD.encode(auth);
    let config = json!({ "auths": { host: { "auth": auth } } }).to_string();
    let homes = ["docker", "ci/.docker"].map(|home| world.path(home).join("config.json"));
    for file in homes {
        std::fs::write(file, &config).expect("written");
    }
}

#[test]
fn what_both_versions_sign_as_the_page_tells_deploys_from_a_real_registry() {
    let mut world = World::new(Kind::Real);
    let registry = RealRegistry::start(&world);
    world.repository = format!("127.0.0.1:{}/{}", registry.port, world.repository_path());
    let repository = world.repository.clone();
    world.set("IMAGE_REPOSITORY", &repository);
    let blocks = blocks();
    let made = Cosign::new(&world, 3);
    made.block(&blocks[KEY], "", "");
    let fingerprint = made.block(&blocks[FINGERPRINT], "", "");
    let fingerprint = fingerprint.split_whitespace().next().expect("a hash");
    let fingerprint = format!("sha256:{fingerprint}");
    log_in(&world);
    enforce(&mut world);
    let agent = world.agent();
    assert!(agent.log().contains(&fingerprint));
    for (version, block, form) in SIGN {
        let tag = format!("{version}.0.0");
        let image = registry.push(&world, &tag);
        let cosign = Cosign::new(&world, version);
        cosign.block(&blocks[block], &tag, &image.digest);
        cosign.block(&blocks[VERIFY], &tag, &image.digest);
        let answer = agent.deploy(&world.image(&tag));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let record = world.last_outcome()["signature"].clone();
        assert_eq!(record["form"], form);
        assert_eq!(record["key"], fingerprint.as_str());
    }
    registry.push(&world, "4.0.0");
    refused(
        &world,
        &agent,
        "4.0.0",
        422,
        &["the registry has no signature of sha256:"],
    );
}

/// A world on the fake engine and the sample registry, with a key of cosign's.
fn world() -> World {
    let mut world = World::new(Kind::Fake);
    Cosign::new(&world, 3).block(&blocks()[KEY], "", "");
    enforce(&mut world);
    world
}

#[test]
fn a_registry_with_the_referrers_api_and_one_like_ghcr_have_what_cosign_attached() {
    let world = world();
    let blocks = blocks();
    let agent = world.agent();
    let path = world.repository_path();
    let sign = |version: u8, block: usize, tag: &str| {
        let image = world.push_runtime(tag);
        Cosign::new(&world, version).block(&blocks[block], tag, &image.digest);
        image.digest
    };
    // As ghcr.io: no referrers API, so the fallback tag, which shows the type of an empty config.
    let digests = [sign(3, 2, "1.0.0"), sign(2, 3, "1.0.1")];
    let fallback = digests[0].replace(':', "-");
    let list = world.registry.manifest(path, &fallback).expect("a list");
    let list: serde_json::Value = serde_json::from_slice(&list).expect("JSON");
    assert_eq!(
        list["manifests"][0]["artifactType"],
        "application/vnd.oci.empty.v1+json"
    );
    world
        .registry
        .require_scoped_bearer(USER, REGISTRY_PASSWORD, path);
    log_in(&world);
    for tag in ["1.0.0", "1.0.1"] {
        let answer = agent.deploy(&world.image(tag));
        assert_eq!(answer.status, 200, "{tag}: {}", answer.body);
    }
    let seen = world.registry.seen();
    assert!(seen.iter().any(|seen| seen.path == "/token"));
    world.registry.open();
    world.registry.serve_referrers();
    let digest = sign(3, 2, "2.0.0");
    let fallback = digest.replace(':', "-");
    assert!(world.registry.manifest(path, &fallback).is_none());
    sign(2, 3, "2.0.1");
    for tag in ["2.0.0", "2.0.1"] {
        let answer = agent.deploy(&world.image(tag));
        assert_eq!(answer.status, 200, "{tag}: {}", answer.body);
    }
}

/// Arguments of `cosign sign` without a log, by version.
fn offline(version: u8) -> &'static [&'static str] {
    match version {
        3 => &["--signing-config", "signing-config.json"],
        _ => &["--tlog-upload=false"],
    }
}

#[test]
fn what_cosign_refuses_we_refuse() {
    let world = world();
    let other = PathBuf::from("other");
    let agent = world.agent();
    let first = world.push_runtime("1.0.0");
    let blocks = blocks();
    Cosign::new(&world, 3).block(&blocks[2], "1.0.0", &first.digest);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    std::fs::write(world.path("ci/sbom.json"), "{\"spdxVersion\":\"SPDX-2.3\"}").expect("written");
    let made = Cosign::new(&world, 3);
    let other = other.display().to_string();
    made.ok(&["generate-key-pair", "--output-key-prefix", &other]);
    for version in [3, 2] {
        let cosign = Cosign::new(&world, version);
        let target = |digest: &str| format!("{}@{digest}", world.repository);
        let sign = |key: &str, tag: &str, environment: &str, digest: &str| {
            let (tag, environment) = (format!("tag={tag}"), format!("environment={environment}"));
            let target = target(digest);
            let mut arguments = vec![
                "sign",
                "--yes",
                "--key",
                key,
                "-a",
                &tag,
                "-a",
                &environment,
            ];
            arguments.extend(offline(version));
            arguments.push(&target);
            cosign.ok(&arguments);
        };
        let both_refuse = |tag: &str, digest: &str, words: &str| {
            let (tagged, target) = (format!("tag={tag}"), target(digest));
            let verified = cosign.run(&[
                "verify",
                "--key",
                "cosign.pub",
                "--insecure-ignore-tlog=true",
                "-a",
                &tagged,
                "-a",
                "environment=dev",
                &target,
            ]);
            assert!(!verified.status.success(), "{tag}: cosign takes it");
            refused(&world, &agent, tag, 422, &[words]);
        };
        let push = |name: &str| {
            let tag = format!("{version}-{name}");
            let digest = world.push_runtime(&tag).digest;
            (tag, digest)
        };
        let (tag, digest) = push("unsigned");
        both_refuse(&tag, &digest, "the registry has no signature");
        let (tag, digest) = push("another-key");
        sign("other.key", &tag, "dev", &digest);
        both_refuse(&tag, &digest, "no key of SIGNATURE_KEYS made it");
        let (tag, digest) = push("another-tag");
        sign("cosign.key", "9.9.9", "dev", &digest);
        both_refuse(&tag, &digest, "its annotation `tag` is 9.9.9");
        let (tag, digest) = push("another-environment");
        sign("cosign.key", &tag, "prod", &digest);
        both_refuse(&tag, &digest, "its annotation `environment` is prod");
        let (tag, digest) = push("attested");
        let subject = target(&digest);
        let mut attest = vec![
            "attest",
            "--yes",
            "--key",
            "cosign.key",
            "--predicate",
            "sbom.json",
            "--type",
            "spdxjson",
        ];
        attest.extend(offline(version));
        attest.push(&subject);
        cosign.ok(&attest);
        let words = match version {
            3 => "its statement type is https://in-toto.io/Statement/v0.1",
            // Cosign 2 keeps it under a tag of its own.
            _ => "the registry has no signature",
        };
        both_refuse(&tag, &digest, words);
        // The platform's manifest alone.
        let tag = format!("{version}-index");
        let ours = ImageSpec::runtime(world.runtime).salt(&tag).build();
        world
            .registry
            .put_index(world.repository_path(), &tag, &[&ours]);
        sign("cosign.key", &tag, "dev", &ours.digest);
        let index = images::digest(&images::index(&[&ours]));
        both_refuse(&tag, &index, "the registry has no signature");
    }
}

/// Cosign 3 can still write the older form.
#[test]
fn the_older_form_by_cosign_3_and_both_forms_beside_each_other_deploy() {
    let world = world();
    let agent = world.agent();
    let image = world.push_runtime("1.0.0");
    let target = format!("{}@{}", world.repository, image.digest);
    Cosign::new(&world, 3).ok(&[
        "sign",
        "--yes",
        "--key",
        "cosign.key",
        "--new-bundle-format=false",
        "--use-signing-config=false",
        "--tlog-upload=false",
        "-a",
        "tag=1.0.0",
        "-a",
        "environment=dev",
        &target,
    ]);
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(world.last_outcome()["signature"]["form"], "simple_signing");
    // Signed for prod first, and promoted to dev by the other version.
    let image = world.push_runtime("2.0.0");
    let target = format!("{}@{}", world.repository, image.digest);
    for (version, environment) in [
        (3, "environment=prod"),
        (2, "environment=prod"),
        (2, "environment=dev"),
    ] {
        let mut arguments = vec![
            "sign",
            "--yes",
            "--key",
            "cosign.key",
            "-a",
            "tag=2.0.0",
            "-a",
            environment,
        ];
        let cosign = Cosign::new(&world, version);
        if version == 3 {
            cosign.ok(&["signing-config", "create", "--out", "signing-config.json"]);
        }
        arguments.extend(offline(version));
        arguments.push(&target);
        cosign.ok(&arguments);
    }
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}
