//! Registries that refuse, lie, break off or never end: the old container runs on, and the answer says so in time.

use std::time::{Duration, Instant};

use dreichor_test_support::images::ImageSpec;
use dreichor_test_support::registry::{Fault, What};
use serde_json::json;

use crate::harness::World;

on_both_engines!(
    manifests_that_go_wrong_leave_the_old_container,
    blobs_that_go_wrong_leave_the_old_container,
    a_token_server_that_goes_wrong_leaves_the_old_container,
    an_index_without_this_platform_leaves_the_old_container,
    a_reason_keeps_the_ordinary_words_of_runtime_env,
    a_slow_registry_is_waited_for_while_it_makes_progress,
);

/// The least budget that the other settings allow: a pull gets five seconds of it.
pub const BUDGET: Duration = Duration::from_secs(32);

fn each_fault_leaves_the_old_container(mut world: World, what: What, faults: &[Fault]) {
    world.set("OPERATION_BUDGET_SECONDS", &BUDGET.as_secs().to_string());
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let identity = || {
        let shown = world.shown();
        json!([
            shown["Id"],
            shown["State"]["StartedAt"],
            shown["State"]["Status"]
        ])
    };
    let old = identity();
    for (number, fault) in faults.iter().enumerate() {
        // Bytes that no engine has yet, so that each fault meets a download.
        let tag = format!("2.0.{number}");
        let spec = ImageSpec::mode(&["run"]).extra_bytes(200_000);
        world.push_spec(&tag, spec);
        world.registry.fault(what, *fault);
        let begun = Instant::now();
        let answer = agent.deploy(&world.image(&tag));
        world.registry.heal();
        assert!(begun.elapsed() < BUDGET, "{what:?} {fault:?}");
        assert!(
            [502, 504].contains(&answer.status),
            "{what:?} {fault:?}: {} {}",
            answer.status,
            answer.body
        );
        let reason = answer.reason();
        assert!(
            reason.starts_with("pull failed: "),
            "{what:?} {fault:?}: {reason}"
        );
        assert!(
            reason.contains("not touched and is running"),
            "{what:?} {fault:?}: {reason}"
        );
        assert_eq!(identity(), old, "{what:?} {fault:?}");
        let outcome = world.last_outcome();
        assert_eq!(
            (&outcome["outcome"], &outcome["state"]),
            (&json!("failed"), &json!("old_running"))
        );
    }
    world.push("3.0.0", &["run"]);
    let answer = agent.deploy(&world.image("3.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Not among them: a manifest that differs from what its header says. Docker believes the bytes when it pulls by tag,
/// so such a registry merely serves another image, which is what the ledger of immutable tags is for.
fn manifests_that_go_wrong_leave_the_old_container(world: World) {
    let faults = [
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(429),
        Fault::Status(500),
        Fault::Cut,
        Fault::CutMidBody,
        Fault::Stall,
        Fault::StallMidBody,
    ];
    each_fault_leaves_the_old_container(world, What::Manifest, &faults);
}

fn blobs_that_go_wrong_leave_the_old_container(world: World) {
    let faults = [
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(429),
        Fault::Status(500),
        Fault::Cut,
        Fault::CutMidBody,
        Fault::Corrupt,
        Fault::Stall,
        Fault::StallMidBody,
    ];
    each_fault_leaves_the_old_container(world, What::Blob, &faults);
}

fn a_token_server_that_goes_wrong_leaves_the_old_container(mut world: World) {
    use base64::Engine as _;
    world.set("OPERATION_BUDGET_SECONDS", &BUDGET.as_secs().to_string());
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let id = world.id();
    let host = world.repository.split('/').next().expect("a host");
    let auth = base64::engine::general_purpose::STANDARD.encode("me:word");
    let config = json!({ "auths": { host: { "auth": auth } } });
    std::fs::write(world.path("docker/config.json"), config.to_string()).expect("written");
    world.registry.require_bearer("me", "word");
    for fault in [
        Fault::Status(401),
        Fault::Status(500),
        Fault::Cut,
        Fault::Stall,
    ] {
        world.push("2.0.0", &["run"]);
        world.registry.fault(What::Token, fault);
        let answer = agent.deploy(&world.image("2.0.0"));
        world.registry.heal();
        assert!(
            [502, 504].contains(&answer.status),
            "{fault:?}: {}",
            answer.body
        );
        assert!(
            answer.reason().contains("pull failed"),
            "{fault:?}: {}",
            answer.body
        );
        assert_eq!(world.id(), id, "{fault:?}");
    }
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
}

fn an_index_without_this_platform_leaves_the_old_container(world: World) {
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let id = world.id();
    let other = ImageSpec::mode(&["run"])
        .architecture("riscv64")
        .salt("other")
        .build();
    world
        .registry
        .put_index(world.repository_path(), "2.0.0", &[&other]);
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 502, "{}", answer.body);
    let (reason, words) = (answer.reason(), world.store().no_platform);
    assert!(words.iter().any(|words| reason.contains(words)), "{reason}");
    assert_eq!(world.id(), id);
    let ours = ImageSpec::mode(&["run"]).salt("ours").build();
    world
        .registry
        .put_index(world.repository_path(), "2.0.1", &[&other, &ours]);
    let answer = agent.deploy(&world.image("2.0.1"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Blanked as if they were secrets, they would leave a reason that names neither registry nor repository.
fn a_reason_keeps_the_ordinary_words_of_runtime_env(world: World) {
    let image = world.image("9.9.9");
    let (repository, tag) = image.rsplit_once(':').expect("a tag");
    let (registry, path) = repository.split_once('/').expect("a registry");
    let component = path.rsplit('/').next().expect("a name");
    world.write_runtime_env(&format!(
        "EXECUTION_PLANE=paper\nDATABASE_URL={}\nHOST=127.0.0.1\nREGISTRY={registry}\nSYSTEM=test\n\
         COMPONENT={component}\nVERSION={tag}\nSTATE=not found\n",
        world.database_url()
    ));
    let agent = world.agent();
    let answer = agent.deploy(&image);
    assert_eq!(answer.status, 502, "{}", answer.body);
    let reason = answer.reason();
    assert!(!reason.contains("***"), "{reason}");
    for part in [registry, component] {
        assert!(reason.contains(part), "{part} is not in: {reason}");
    }
}

fn a_slow_registry_is_waited_for_while_it_makes_progress(world: World) {
    let spec = ImageSpec::mode(&["run"]).extra_bytes(200_000);
    world.push_spec("1.0.0", spec);
    // A piece every 50 ms: two seconds and some for the larger layers.
    world.registry.fault(What::Blob, Fault::Drip(16 * 1024));
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}
