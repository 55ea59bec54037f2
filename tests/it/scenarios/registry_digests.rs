//! Registries that serve something else than they name: the old container runs on, or what runs is what is recorded.

use std::time::{Duration, Instant};

use dreichor_test_support::images::{BuiltImage, ImageSpec, digest, index};
use dreichor_test_support::registry::{Fault, What};

use super::registry_faults::BUDGET;
use crate::harness::World;

on_both_engines!(
    an_image_for_another_platform_without_an_index_is_not_run,
    bytes_that_do_not_match_their_digest_leave_the_old_container,
    a_header_that_lies_about_a_digest_does_not_change_what_is_recorded,
);

/// The registry offers nothing to choose from, so the engine pulls it; the agent looks before it stops anything.
fn an_image_for_another_platform_without_an_index_is_not_run(world: World) {
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let id = world.id();
    world.push_spec("2.0.0", ImageSpec::mode(&["run"]).architecture("riscv64"));
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 502, "{}", answer.body);
    let reason = answer.reason();
    assert!(
        reason.starts_with("verify failed: ") && reason.contains("riscv64"),
        "{reason}"
    );
    assert!(reason.contains("not touched and is running"), "{reason}");
    assert_eq!(world.id(), id);
    assert_eq!(world.last_outcome()["failed_step"], "verify");
}

/// An index of one image for this machine and one for another: its digest, and the image for this machine.
fn push_index(world: &World, tag: &str) -> (String, BuiltImage) {
    let spec =
        |salt: &str| ImageSpec::mode(&["run"]).salt(format!("{}:{tag}{salt}", world.repository));
    let ours = spec("").extra_bytes(100_000).build();
    let other = spec("other").architecture("riscv64").build();
    world
        .registry
        .put_index(world.repository_path(), tag, &[&other, &ours]);
    (digest(&index(&[&other, &ours])), ours)
}

fn bytes_that_do_not_match_their_digest_leave_the_old_container(mut world: World) {
    world.set("OPERATION_BUDGET_SECONDS", &BUDGET.as_secs().to_string());
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let id = world.id();
    for (what, tag) in [
        (What::Child, "2.0.0"),
        (What::Config, "2.0.1"),
        (What::Layer, "2.0.2"),
    ] {
        push_index(&world, tag);
        world.registry.fault(what, Fault::Corrupt);
        let begun = Instant::now();
        let answer = agent.deploy(&world.image(tag));
        world.registry.heal();
        assert!(begun.elapsed() < BUDGET, "{what:?}");
        assert_eq!(answer.status, 502, "{what:?}: {}", answer.body);
        let reason = answer.reason();
        assert!(reason.starts_with("pull failed: "), "{what:?}: {reason}");
        assert!(
            reason.contains("not touched and is running"),
            "{what:?}: {reason}"
        );
        assert_eq!(world.id(), id, "{what:?}");
        // The same tag from a registry that is well again.
        if what == What::Layer {
            let healed = Instant::now();
            while agent.deploy(&world.image(tag)).status != 200 {
                assert!(
                    healed.elapsed() < world.store().keeps_wrong_bytes,
                    "{}",
                    world.last_outcome()
                );
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

/// The protocol names digests in headers too. What counts is the bytes: such a deploy runs them, or is refused.
fn a_header_that_lies_about_a_digest_does_not_change_what_is_recorded(mut world: World) {
    world.set("OPERATION_BUDGET_SECONDS", &BUDGET.as_secs().to_string());
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    for (what, tag) in [
        (What::Manifest, "2.0.0"),
        (What::Child, "2.0.1"),
        (What::Blob, "2.0.2"),
    ] {
        let id = world.id();
        let (index, ours) = push_index(&world, tag);
        world.registry.fault(what, Fault::WrongDigest);
        let answer = agent.deploy(&world.image(tag));
        world.registry.heal();
        let outcome = world.last_outcome();
        println!("{what:?}: {}", answer.body);
        if answer.status == 200 {
            let id = world.store().id_below(&index, &ours).to_owned();
            assert_eq!(world.shown()["Image"], id, "{what:?}");
            assert_eq!(outcome["image_id"], id, "{what:?}");
            assert_ne!(outcome["digest"], digest(b"something else"), "{what:?}");
        } else {
            assert_eq!(answer.status, 502, "{what:?}: {}", answer.body);
            assert!(
                answer.reason().contains("not touched and is running"),
                "{}",
                answer.body
            );
            assert_eq!(world.id(), id, "{what:?}");
        }
    }
}
