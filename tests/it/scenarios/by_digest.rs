//! What runs is what was pulled, whatever somebody does to the tag on the host between the pull and the create.

use std::time::Duration;

use dreichor_test_support::fake_engine::{Gate, Verb};
use dreichor_test_support::images::ImageSpec;
use serde_json::json;

use crate::harness::{Answer, World};

on_both_engines!(
    what_an_image_claims_of_its_origin_is_in_the_record_of_its_deploy,
    a_tag_moved_between_pull_and_create_changes_nothing,
    a_tag_removed_between_pull_and_create_changes_nothing,
    an_image_removed_between_pull_and_create_is_named,
    a_container_that_somebody_made_by_digest_shows_as_it_is,
);

fn what_an_image_claims_of_its_origin_is_in_the_record_of_its_deploy(mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    let long = format!("https://example.com/{}", "x".repeat(2000));
    let label = |name: &str| format!("org.opencontainers.image.{name}");
    let spec = ImageSpec::mode(&["run"])
        .label(&label("revision"), "0123456789abcdef0123\u{1b}[2J")
        .label(&label("source"), &long)
        .label(&label("created"), "2026-01-31T12:00:00Z");
    world.push_spec("1.0.0", spec);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let claimed = &world.last_outcome()["claimed_by_image"];
    assert_eq!(claimed["revision"], "0123456789abcdef0123\u{1b}[2J");
    assert_eq!(claimed["created"], "2026-01-31T12:00:00Z");
    let source = claimed["source"].as_str().expect("a text");
    assert!(
        source.len() < 600 && long.starts_with(&source[..500]),
        "{source}"
    );
    let text = std::fs::read_to_string(world.path("state/audit.jsonl")).expect("read");
    assert!(!text.contains('\u{1b}'), "escaped");
    let said = world.history(&[]);
    assert!(said.contains(" 0123456789ab "), "{said}");
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    assert_eq!(world.last_outcome()["claimed_by_image"], json!(null));
}

const ARRIVAL: Duration = Duration::from_secs(20);

/// Deploys 2.0.0 over a running 1.0.0, and does something on the host when all is verified and nothing is touched yet.
fn deploy_and_meanwhile(world: &mut World, meanwhile: impl FnOnce(&World)) -> Answer {
    let proxy = world.proxied();
    let world = &*world;
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let controls = world.controls(&proxy);
    // After the last check; a busy engine has the longest time of all there.
    let gate: Gate = controls.gate(Verb::ContainerStop);
    let image = world.image("2.0.0");
    let answer = std::thread::scope(|scope| {
        let deploy = scope.spawn(|| agent.deploy(&image));
        assert!(gate.reached_within(ARRIVAL), "the stop never comes");
        meanwhile(world);
        gate.release();
        deploy.join().expect("answered")
    });
    if answer.status == 200 {
        let status = agent.status();
        assert_eq!(status["image"], image, "as it was asked for");
        assert_eq!(status["running"], true);
    } else {
        // The next one converges.
        let again = agent.deploy(&image);
        assert_eq!(again.status, 200, "{}", again.body);
    }
    answer
}

/// `docker tag`: the name leads to the image of another tag of the same repository.
pub fn retag(world: &World, tag: &str, of: &str) {
    match &world.fake {
        Some(fake) => {
            let id = fake.image_id(&world.image(of)).expect("held");
            fake.move_tag(&world.image(tag), &id);
        }
        None => {
            let (repository, of) = (&world.repository, world.image(of));
            let path = format!("/images/{of}/tag?repo={repository}&tag={tag}");
            let answer = world.engine("POST", &path, None);
            assert_eq!(answer.status, 201, "{}", answer.body);
        }
    }
}

/// `docker rmi`
fn untag(world: &World, tag: &str) {
    let path = format!("/images/{}", world.image(tag));
    let answer = world.engine("DELETE", &path, None);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn a_tag_moved_between_pull_and_create_changes_nothing(mut world: World) {
    let pulled = world.push("2.0.0", &["run"]);
    world.push("6.6.6", &["crash"]);
    world.pull("6.6.6");
    let answer = deploy_and_meanwhile(&mut world, |world| retag(world, "2.0.0", "6.6.6"));
    let store = world.store();
    if !store.keeps_the_nameless {
        // The image went with its name: nothing else is started in its place.
        assert_that_it_is_gone(&answer);
        return;
    }
    assert_eq!(answer.status, 200, "{}", answer.body);
    let shown = world.shown();
    assert_eq!(shown["Image"], *store.id_of(&pulled));
    assert_eq!(shown["State"]["Status"], "running");
    assert_eq!(shown["RestartCount"], 0);
    let outcome = world.last_outcome();
    assert_eq!(outcome["image"], world.image("2.0.0"));
    assert_eq!(outcome["digest"], pulled.digest);
    assert_eq!(outcome["image_id"], *store.id_of(&pulled));
}

fn a_tag_removed_between_pull_and_create_changes_nothing(mut world: World) {
    let pulled = world.push("2.0.0", &["run"]);
    let answer = deploy_and_meanwhile(&mut world, |world| {
        retag(world, "kept", "2.0.0");
        untag(world, "2.0.0");
    });
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(world.shown()["Image"], *world.store().id_of(&pulled));
}

fn an_image_removed_between_pull_and_create_is_named(mut world: World) {
    world.push("2.0.0", &["run"]);
    let answer = deploy_and_meanwhile(&mut world, |world| untag(world, "2.0.0"));
    assert_that_it_is_gone(&answer);
}

fn assert_that_it_is_gone(answer: &Answer) {
    assert_eq!(answer.status, 502, "{}", answer.body);
    for words in [
        "create failed: the pulled image is no longer on this host",
        "no runtime container exists now",
    ] {
        assert!(answer.reason().contains(words), "{}", answer.body);
    }
}

fn a_container_that_somebody_made_by_digest_shows_as_it_is(world: World) {
    let digest = world.push("1.0.0", &["run"]).digest;
    world.pull("1.0.0");
    let whole = format!("{}@{digest}", world.image("1.0.0"));
    let body = json!({ "Image": whole, "HostConfig": { "NetworkMode": "none" } });
    let path = format!("/containers/create?name={}", world.name);
    let made = world.engine("POST", &path, Some(&body));
    assert_eq!(made.status, 201, "{}", made.body);
    world.act(made.json()["Id"].as_str().expect("an id"), "start");
    let status = world.agent().status();
    assert_eq!(status["image"], whole);
}
