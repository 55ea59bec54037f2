//! Images that are not needed, through the running agent.

use std::time::Duration;

use dreichor_test_support::fake_engine::Verb;
use dreichor_test_support::images::ImageSpec;
use serde_json::Value;

use super::by_digest::retag;
use crate::harness::{World, until};

on_both_engines!(
    what_ran_last_is_kept_and_what_is_removed_was_listed_before,
    what_lost_its_tag_is_removed_unless_a_container_uses_it,
    what_somebody_has_just_pulled_is_left_alone,
    a_tag_that_stands_for_another_image_than_the_one_that_ran_is_kept,
);

/// The names that images of our repository have in the engine, tags and digests.
fn names(world: &World, of: &str) -> Vec<String> {
    // Of all images of the engine: containerd's store fails a list while somebody else removes one of them.
    let mut images = None;
    until("a list", Duration::from_secs(10), || {
        let listed = world.engine("GET", "/images/json", None).json();
        images = listed.as_array().cloned();
        images.is_some()
    });
    let images = images.unwrap_or_default();
    let names = images
        .iter()
        .flat_map(|image| image[of].as_array().cloned().unwrap_or_default());
    let mut names: Vec<String> = names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .filter_map(|name| name.strip_prefix(&world.repository).map(str::to_owned))
        .map(|name| name.trim_start_matches([':', '@']).to_owned())
        .collect();
    names.sort();
    names
}

fn what_ran_last_is_kept_and_what_is_removed_was_listed_before(mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    for tag in ["1.0.0", "1.0.1", "1.0.2", "never-ran"] {
        world.push(tag, &["run"]);
    }
    let agent = world.agent();
    // By first runs 1.0.0 would be the oldest; by last runs it is the newest behind the one that runs.
    for tag in ["1.0.0", "1.0.1", "1.0.2", "1.0.0", "1.0.2"] {
        assert_eq!(agent.deploy(&world.image(tag)).status, 200);
    }
    world.pull("never-ran");
    let before = world.identity();
    let (code, said) = world.operator("prune", &["--keep", "1"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(&world.image("1.0.1")) && said.contains("1 to remove"),
        "{said}"
    );
    assert_eq!(
        names(&world, "RepoTags"),
        ["1.0.0", "1.0.1", "1.0.2", "never-ran"],
        "nothing is removed without --yes"
    );
    assert!(world.events("image_pruned").is_empty());
    let (code, said) = world.operator("prune", &["--keep", "1", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(&format!("removed {}", world.image("1.0.1"))),
        "{said}"
    );
    assert_eq!(
        names(&world, "RepoTags"),
        ["1.0.0", "1.0.2", "never-ran"],
        "{said}"
    );
    assert_eq!(world.identity(), before, "the runtime does not notice");
    // Once more there is nothing to do.
    let (code, said) = world.operator("prune", &["--keep", "1", "--yes"]);
    assert_eq!((code, said.contains("0 removed")), (0, true), "{said}");
    let (code, said) = world.operator("prune", &["--keep", "0", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(names(&world, "RepoTags"), ["1.0.2", "never-ran"], "{said}");
    recorded(&world);
}

/// The intent before each, the outcome after, by whom.
fn recorded(world: &World) {
    let uid = rustix::process::getuid().as_raw();
    let begun = world.events("operation_started");
    let prune = begun.iter().find(|record| record["kind"] == "prune");
    let prune = prune.expect("recorded");
    assert!(
        prune["requester"].to_string().contains(&format!("{uid}")),
        "{prune}"
    );
    let of = |event: &str| -> Vec<Value> {
        let mut records = world.events(event);
        records.retain(|record| record["operation"] == prune["operation"]);
        records
    };
    let (intents, gone, ends) = (of("step_started"), of("image_pruned"), of("step_ended"));
    assert_eq!((intents.len(), gone.len(), ends.len()), (1, 1, 1));
    assert_eq!(intents[0]["image"], world.image("1.0.1"));
    assert_eq!(gone[0]["image"], world.image("1.0.1"));
    let number = |record: &Value| record["seq"].as_u64();
    assert!(number(&intents[0]) < number(&gone[0]));
    let outcome = world.last_outcome();
    assert_eq!(
        (&outcome["kind"], &outcome["outcome"]),
        (&"prune".into(), &"succeeded".into())
    );
}

fn what_lost_its_tag_is_removed_unless_a_container_uses_it(mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.set("ALLOW_MUTABLE_TAGS", "true");
    let path = world.repository_path();
    let agent = world.agent();
    let mut users = Vec::new();
    // One is used by a container of somebody else's, the second by nobody, the third runs and has the tag.
    for salt in ["one", "two", "three"] {
        let image = ImageSpec::mode(&["run"]).salt(format!("{}{salt}", world.name));
        world.registry.put(path, "1.0.0", &image.build());
        assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
        if salt == "one" {
            let body = serde_json::json!({ "Image": world.shown()["Image"] });
            let path = format!("/containers/create?name=user-of-{}", world.name);
            let made = world.engine("POST", &path, Some(&body)).json();
            users.push(made["Id"].as_str().expect("an id").to_owned());
        }
    }
    // A store that forgets what lost its name has nothing left to prune.
    let (held, removed) = match world.store().keeps_the_nameless {
        true => (3, 1),
        false => (1, 0),
    };
    let digests = names(&world, "RepoDigests");
    assert_eq!(digests.len(), held, "{digests:?}");
    let running = world.identity();
    let (code, said) = world.operator("prune", &["--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("removed ").count(), removed, "{said}");
    let digests = names(&world, "RepoDigests");
    assert_eq!(digests.len(), held - removed, "{said}");
    assert_eq!(names(&world, "RepoTags"), ["1.0.0"]);
    assert_eq!(world.identity(), running);
    for user in users {
        world.remove(&user);
    }
}

/// As the other environment's agent does amid its deploy: what it has just pulled is not taken away under it.
fn what_somebody_has_just_pulled_is_left_alone(mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    let agent = world.agent();
    for tag in ["1.0.0", "1.0.1", "1.0.2"] {
        world.push(tag, &["run"]);
        assert_eq!(agent.deploy(&world.image(tag)).status, 200);
    }
    world.pull("1.0.0");
    let (code, said) = world.operator("prune", &["--keep", "0"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("1 to remove") && said.contains(&world.image("1.0.1")),
        "{said}"
    );
    let (code, said) = world.operator("prune", &["--keep", "0", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(names(&world, "RepoTags"), ["1.0.0", "1.0.2"], "{said}");
    // It ran here since: nobody else is about to start it.
    for tag in ["1.0.0", "1.0.2"] {
        assert_eq!(agent.deploy(&world.image(tag)).status, 200);
    }
    let (code, said) = world.operator("prune", &["--keep", "0", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(names(&world, "RepoTags"), ["1.0.2"], "{said}");
}

/// A deploy of a tag that was moved is refused, and its pull has moved the name here all the same: what it stands for now
/// has not run.
fn a_tag_that_stands_for_another_image_than_the_one_that_ran_is_kept(mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    let agent = world.agent();
    for tag in ["1.0.0", "2.0.0", "3.0.0"] {
        world.push(tag, &["run"]);
        assert_eq!(agent.deploy(&world.image(tag)).status, 200);
    }
    world.push("moved", &["run"]);
    world.pull("moved");
    // Without a pull of that name, which by itself keeps an image for some minutes.
    retag(&world, "2.0.0", "moved");
    let (code, said) = world.operator("prune", &["--keep", "0", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&world.image("1.0.0")), "{said}");
    assert_eq!(
        names(&world, "RepoTags"),
        ["2.0.0", "3.0.0", "moved"],
        "{said}"
    );
    // What the tag did run is in the registry still, and its deploy gives it the name back.
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    assert_eq!(agent.deploy(&world.image("3.0.0")).status, 200);
    let (code, said) = world.operator("prune", &["--keep", "0", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(names(&world, "RepoTags"), ["3.0.0", "moved"], "{said}");
}

#[test]
fn an_operation_that_waits_ends_a_prune() {
    let world = crate::local::kills::prunable();
    let agent = world.agent();
    let fake = world.fake.as_ref().expect("the fake engine");
    let gate = fake.controls().gate(Verb::ImageRemove);
    std::thread::scope(|scope| {
        let pruned = scope.spawn(|| world.operator("prune", &["--keep", "0", "--yes"]));
        assert!(gate.reached_within(Duration::from_secs(10)));
        let stopped = scope.spawn(|| agent.stop());
        until("the stop waits", Duration::from_secs(10), || {
            let shown = world.operator("status", &["--json"]).1;
            shown.contains("\"waiting\":1")
        });
        gate.release();
        let (code, said) = pruned.join().expect("ended");
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("an operation on the runtime waits"), "{said}");
        assert_eq!(stopped.join().expect("answered").status, 200);
    });
    assert_eq!(names(&world, "RepoTags").len(), 2, "one was removed");
}
