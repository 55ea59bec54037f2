//! Settings of the policy: what is refused before anything is served, what `check` tries, what the start says.

use std::process::{Command, Output};

use super::signer::Signer;
use super::{enforcing, policy};
use crate::harness::{Kind, World};

fn run(world: &World, command: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .arg(command)
        .arg("--env-file")
        .arg(world.env_file())
        .env_clear()
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_policy_that_cannot_hold_does_not_start() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    let good = world.path("good.pub");
    std::fs::write(&good, signer.pem()).expect("written");
    let good = good.display().to_string();
    let bad = world.path("bad.pub");
    std::fs::write(&bad, signer.pem().replace("PUBLIC", "PRIVATE")).expect("written");
    let bad = format!("{good},{}", bad.display());
    let inside = world.path("volumes/snapshots/key.pub");
    std::fs::write(&inside, signer.pem()).expect("written");
    let inside = inside.display().to_string();
    let cases: [(&[(&str, &str)], &str); 12] = [
        (
            &[("SIGNATURE_POLICY", "enforce")],
            "SIGNATURE_KEYS must name a public key",
        ),
        (
            &[("SIGNATURE_POLICY", "warn")],
            "SIGNATURE_KEYS must name a public key",
        ),
        (
            &[("SIGNATURE_POLICY", "Enforce"), ("SIGNATURE_KEYS", &good)],
            "SIGNATURE_POLICY must be off, warn or enforce",
        ),
        (
            &[("SIGNATURE_POLICY", ""), ("SIGNATURE_KEYS", &good)],
            "SIGNATURE_POLICY is set but empty",
        ),
        (
            &[("SIGNATURE_POLICY", "enforce"), ("SIGNATURE_KEYS", " ")],
            "SIGNATURE_KEYS is set but empty",
        ),
        (
            &[("SIGNATURE_KEYS", &good)],
            "SIGNATURE_KEYS has no meaning without SIGNATURE_POLICY",
        ),
        (
            &[
                ("SIGNATURE_POLICY", "enforce"),
                ("SIGNATURE_KEYS", "key.pub"),
            ],
            "SIGNATURE_KEYS entry 1 must be an absolute path",
        ),
        (
            &[
                ("SIGNATURE_POLICY", "enforce"),
                ("SIGNATURE_KEYS", "/nowhere/key.pub"),
            ],
            "SIGNATURE_KEYS /nowhere/key.pub No such file",
        ),
        (
            &[("SIGNATURE_POLICY", "enforce"), ("SIGNATURE_KEYS", &bad)],
            "holds a private key",
        ),
        (
            &[("SIGNATURE_POLICY", "enforce"), ("SIGNATURE_KEYS", &inside)],
            "SNAPSHOTS_PATH",
        ),
        (
            &[("SIGNATURE_POLCY", "enforce"), ("SIGNATURE_KEYS", &good)],
            "is it meant for SIGNATURE_POLICY?",
        ),
        (
            &[
                ("SIGNATURE_POLICY", "enforce"),
                ("SIGNATURE_KEYS", &good),
                ("OPERATION_BUDGET_SECONDS", "32"),
            ],
            "OPERATION_BUDGET_SECONDS must be at least 47",
        ),
    ];
    for (settings, words) in cases {
        for (name, value) in settings {
            world.set(name, value);
        }
        for command in ["serve", "check"] {
            let output = run(&world, command);
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{settings:?}: {told}");
            assert!(told.contains(words), "{settings:?}: {told}");
        }
        for (name, _) in settings {
            world.unset(name);
        }
    }
}

#[test]
fn enforce_in_prod_without_a_key_is_refused_at_start() {
    let mut world = World::new(Kind::Fake);
    world.set("ENVIRONMENT", "prod");
    world.set("CONTAINER_NAME", "runtime-prod");
    world.set("SIGNATURE_POLICY", "enforce");
    let output = run(&world, "serve");
    assert_eq!(output.status.code(), Some(78));
    assert!(
        text(&output.stderr).contains("SIGNATURE_KEYS must name"),
        "{output:?}"
    );
}

#[test]
fn the_start_says_which_policy_holds_and_by_which_keys() {
    let mut world = World::new(Kind::Fake);
    assert!(world.agent().log().contains("signatures: off"));
    let (one, two) = (Signer::new(), Signer::new());
    policy(&mut world, "enforce", &[&one, &two]);
    let words = format!("signatures: enforce, by {} or {}", one.id(), two.id());
    assert!(world.agent().log().contains(&words));
}

#[test]
fn check_tries_the_keys_and_the_way_to_the_registry() {
    let mut world = World::new(Kind::Fake);
    let signer = Signer::new();
    enforcing(&mut world, &signer);
    let output = run(&world, "check");
    let told = text(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for words in [
        "SIGNATURE_POLICY=enforce\n".to_owned(),
        format!("key-0.pub ({})\n", signer.id()),
        format!("signature key: {} in ", signer.id()),
        "registry for signatures: 127.0.0.1:".to_owned(),
    ] {
        assert!(told.contains(&words), "{words:?} is not in: {told}");
    }
    world.registry.require_basic("deployer", "other");
    let output = run(&world, "check");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("problem: SIGNATURE_POLICY the registry refuses access"),
        "{told}"
    );
    world.set("IMAGE_REPOSITORY", "127.0.0.1:1/test/runtime");
    let output = run(&world, "check");
    let told = text(&output.stderr);
    assert!(
        told.contains("SIGNATURE_POLICY the registry could not be reached"),
        "{told}"
    );
}
