//! An image fetched ahead of a deploy, by the deploy's own rules.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use dreichor_test_support::images::ImageSpec;

use crate::harness::{World, until};

on_both_engines!(
    a_pull_ahead_fetches_what_a_deploy_would_and_touches_no_container,
    a_pull_ahead_is_held_to_the_rules_of_a_deploy,
    a_stop_and_a_deploy_do_not_wait_for_a_pull_ahead,
    a_pull_ahead_ends_with_whoever_asked_and_with_the_agent,
);

fn held(world: &World, tag: &str) -> bool {
    let path = format!("/images/{}/json", world.image(tag));
    world.engine("GET", &path, None).status == 200
}

/// A pull of an image whose layers do not come, under way.
fn stalled(world: &World, tag: &str) -> Child {
    world.push_spec(tag, ImageSpec::mode(&["run"]).extra_bytes(2_000_000));
    world.registry.stall_blobs();
    let begun = world.events("step_started").len();
    let mut command = world.operator_command("pull", &[tag]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    until("the pull runs", Duration::from_secs(10), || {
        let steps = world.events("step_started");
        steps[begun..].iter().any(|step| step["step"] == "pull")
    });
    child
}

fn a_pull_ahead_fetches_what_a_deploy_would_and_touches_no_container(mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.push_spec("2.0.0", ImageSpec::mode(&["run"]).extra_bytes(300_000));
    let (agent, running) = world.running_one();
    let (code, said) = world.operator("pull", &["2.0.0"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&world.image("2.0.0")), "{said}");
    assert!(held(&world, "2.0.0"));
    assert_eq!(world.identity(), running);
    let outcome = world.last_outcome();
    assert_eq!(outcome["kind"], "pull");
    assert_eq!(outcome["outcome"], "succeeded");
    assert_eq!(outcome["image"], world.image("2.0.0"));
    assert!(said.contains(outcome["operation"].as_str().expect("an id")));
    // The whole reference is as good as its tag, and a prune leaves what has not run yet alone.
    let (code, said) = world.operator("pull", &[&world.image("2.0.0")]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = world.operator("prune", &["--keep", "0", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(held(&world, "2.0.0"), "{said}");
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
}

fn a_pull_ahead_is_held_to_the_rules_of_a_deploy(world: World) {
    let (_agent, running) = world.running_one();
    for (image, says) in [
        ("elsewhere.example/x/runtime:1.0.0", "other repositories"),
        (&*format!("{}@sha256:00", world.image("1.0.0")), "digest"),
        ("a/b", "other repositories"),
        ("-x", "unexpected argument"),
        (".x", "the tag must be"),
    ] {
        let (code, said) = world.operator("pull", &[image]);
        assert_ne!(code, 0, "{image}");
        assert!(said.contains(says), "{image}: {said}");
    }
    // Nobody waits for these records.
    until("all are recorded", Duration::from_secs(30), || {
        world.events("rejected").len() == 4
    });
    assert_eq!(world.events("rejected")[0]["http"], 422);
    let (code, said) = world.operator("pull", &["missing"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("pull failed"), "{said}");
    // A tag that ran is immutable.
    let moved = ImageSpec::mode(&["run", "moved"])
        .salt(world.name.clone())
        .build();
    world.registry.put(world.repository_path(), "1.0.0", &moved);
    let (code, said) = world.operator("pull", &["1.0.0"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("immutable"), "{said}");
    assert_eq!(world.last_outcome()["http"], 409);
    assert_eq!(world.identity(), running);
}

fn a_stop_and_a_deploy_do_not_wait_for_a_pull_ahead(mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    let (agent, _) = world.running_one();
    let mut pull = stalled(&world, "2.0.0");
    let (code, said) = world.operator("pull", &["3.0.0"]);
    assert_eq!((code, said.contains("being pulled")), (1, true), "{said}");
    let (code, said) = world.operator("prune", &["--yes"]);
    assert_eq!((code, said.contains("being pulled")), (1, true), "{said}");
    let (code, said) = world.operator("status", &[]);
    assert_eq!((code, said.contains("pull 2.0.0")), (0, true), "{said}");
    let asked = std::time::Instant::now();
    assert_eq!(agent.stop().status, 200);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert!(asked.elapsed() < Duration::from_secs(15));
    assert!(pull.try_wait().expect("waitable").is_none(), "it goes on");
    world.registry.heal();
    // What stalled is given up by the idle limit, or goes on: either way it ends with a word.
    crate::local::interrupt(&mut pull);
}

fn a_pull_ahead_ends_with_whoever_asked_and_with_the_agent(mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    let mut agent = world.agent();
    let ends = |world: &World| {
        let mut ended = world.events("operation_ended");
        ended.retain(|record| record["kind"] == "pull");
        ended
    };
    let mut pull = stalled(&world, "2.0.0");
    crate::local::interrupt(&mut pull);
    until("the end is recorded", Duration::from_secs(30), || {
        ends(&world).len() == 1
    });
    assert_eq!(ends(&world)[0]["outcome"], "failed");
    assert!(!held(&world, "2.0.0"));
    let mut pull = stalled(&world, "2.0.1");
    agent.signal("TERM");
    assert!(
        agent.wait().success(),
        "an hour's pull does not hold the agent"
    );
    assert_eq!(pull.wait().expect("ended").code(), Some(1));
    let said = BufReader::new(pull.stderr.take().expect("piped")).lines();
    let said: Vec<String> = said.map_while(Result::ok).collect();
    assert!(said.concat().contains("shutting down"), "{said:?}");
    assert_eq!(ends(&world).len(), 2);
    world.registry.heal();
    let _agent = world.agent();
    let (code, said) = world.operator("pull", &["2.0.1"]);
    assert_eq!(code, 0, "{said}");
}
