//! Images that were deployed before and are unused now.

use std::process::{Command, Output};

use crate::harness::World;

on_both_engines!(what_ran_before_and_is_unused_is_removed_when_asked_to);

pub fn prune(world: &World, arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .args(["prune", "--env-file"])
        .arg(world.env_file())
        .args(arguments)
        .env_clear()
        .output()
        .expect("the agent runs");
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output, String::from_utf8(said).expect("text"))
}

fn tags(world: &World) -> Vec<String> {
    let filters = serde_json::json!({ "reference": [world.repository] }).to_string();
    let path = format!("/images/json?filters={}", filters.replace('"', "%22"));
    let listed = world.engine("GET", &path, None).json();
    let images = listed.as_array().expect("a list").clone();
    let tags = images
        .iter()
        .flat_map(|image| image["RepoTags"].as_array().cloned().unwrap_or_default());
    let mut tags: Vec<String> = tags
        .filter_map(|tag| {
            tag.as_str()
                .and_then(|tag| tag.rsplit(':').next())
                .map(str::to_owned)
        })
        .collect();
    tags.sort();
    tags
}

fn what_ran_before_and_is_unused_is_removed_when_asked_to(mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    for tag in ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "never-ran"] {
        world.push(tag, &["run"]);
    }
    let mut agent = world.agent();
    for tag in ["1.0.0", "1.0.1", "1.0.2", "1.0.3"] {
        assert_eq!(agent.deploy(&world.image(tag)).status, 200);
    }
    world.pull("never-ran");
    let (locked, said) = prune(&world, &["--keep", "1"]);
    assert_eq!(locked.status.code(), Some(75), "{said}");
    assert!(said.contains("stop it first"), "{said}");
    agent.signal("TERM");
    assert!(agent.wait().success());

    let all = ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "never-ran"];
    let (listed, said) = prune(&world, &["--keep", "1"]);
    assert!(listed.status.success(), "{said}");
    assert!(
        said.contains("1.0.0") && said.contains("1.0.1") && said.contains("2 to remove"),
        "{said}"
    );
    assert_eq!(tags(&world), all, "nothing is removed without --yes");
    let (pruned, said) = prune(&world, &["--keep", "1", "--yes"]);
    assert!(pruned.status.success(), "{said}");
    assert_eq!(tags(&world), ["1.0.2", "1.0.3", "never-ran"], "{said}");
    assert_eq!(world.shown()["State"]["Running"], true);
    let recorded = world.events("image_pruned");
    assert_eq!(recorded.len(), 2);
    assert_eq!(world.last_outcome()["kind"], "prune");
}
