//! What others do to the name and to the new container during a deploy: the reason tells what is, by ids.

use std::time::Duration;

use dreichor_test_support::fake_engine::Verb;

use crate::harness::{Agent, Answer, World, image_asked, until};

on_both_engines!(
    a_name_that_a_stranger_takes_fails_the_create_and_is_told_as_a_strangers,
    a_new_container_that_somebody_removes_is_not_kept_for_docker_logs,
    a_new_container_that_somebody_replaces_is_told_from_the_one_in_its_place,
    a_new_container_that_somebody_renames_is_not_called_removed,
    a_clean_stop_by_hand_is_told_from_a_clean_exit,
);

const SOON: Duration = Duration::from_secs(20);

fn told(answer: &Answer, code: u16, words: &[&str], not: &[&str]) {
    assert_eq!(answer.status, code, "{}", answer.body);
    let reason = answer.reason();
    for word in words {
        assert!(reason.contains(word), "{word} is not in: {reason}");
    }
    for word in not {
        assert!(!reason.contains(word), "{word} is in: {reason}");
    }
}

/// Somebody runs a container under our name.
fn a_stranger_runs(world: &World) -> String {
    let id = world.foreign_container("1.0.0", "no");
    world.act(&id, "start");
    id
}

fn a_name_that_a_stranger_takes_fails_the_create_and_is_told_as_a_strangers(mut world: World) {
    let proxy = world.proxied();
    let (agent, _) = world.running_one();
    world.push_runtime("2.0.0");
    let controls = world.controls(&proxy);
    let taken = || drop(a_stranger_runs(&world));
    let answer =
        world.deploy_and_meanwhile(&agent, controls, "2.0.0", Verb::ContainerCreate, taken);
    let words = [
        "create failed",
        "another container, which somebody else made, has the runtime's name and is running",
    ];
    told(&answer, 502, &words, &["old runtime container"]);
    assert_eq!(world.last_outcome()["state"], "stranger_running");
    let stranger = world.id();
    assert_eq!(world.last_outcome()["container_id"], stranger);
    // The next one replaces whatever has the name.
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    assert_ne!(world.id(), stranger);
}

/// Deploys 2.0.0, and does something to its container as soon as it runs.
fn deploy_and_then(world: &World, agent: &Agent, then: impl FnOnce(&str)) -> Answer {
    let image = world.image("2.0.0");
    std::thread::scope(|scope| {
        let client = scope.spawn(|| agent.deploy(&image));
        until("the new container runs", SOON, || {
            world.container().is_some_and(|shown| {
                image_asked(&shown) == image.as_str() && shown["State"]["Running"] == true
            })
        });
        then(&world.id());
        client.join().expect("answered")
    })
}

/// Long enough for somebody to act in.
fn with_a_window(world: &mut World) -> Agent {
    world.set("START_CONFIRMATION_SECONDS", "4");
    for tag in ["1.0.0", "2.0.0"] {
        world.push(tag, &["run"]);
    }
    world.agent()
}

fn a_new_container_that_somebody_removes_is_not_kept_for_docker_logs(mut world: World) {
    let agent = with_a_window(&mut world);
    let answer = deploy_and_then(&world, &agent, |id| world.remove(id));
    // A real engine may still be at it.
    let words = ["confirm failed", "removed by somebody else"];
    told(&answer, 500, &words, &["kept", "took its name"]);
    let state = world.last_outcome()["state"].clone();
    assert!(state == "nothing" || state == "new_removing", "{state}");
}

fn a_new_container_that_somebody_replaces_is_told_from_the_one_in_its_place(mut world: World) {
    let agent = with_a_window(&mut world);
    world.pull("1.0.0");
    let answer = deploy_and_then(&world, &agent, |id| {
        world.remove(id);
        a_stranger_runs(&world);
    });
    let words = ["confirm failed", "removed by somebody else"];
    told(&answer, 500, &words, &["kept", "old runtime container"]);
    let state = world.last_outcome()["state"].clone();
    let of_the_moment = [
        "stranger_running",
        "stranger_stopped",
        "new_removing",
        "nothing",
    ];
    assert!(of_the_moment.iter().any(|seen| state == *seen), "{state}");
    // It is not the agent's to halt.
    assert_eq!(world.shown()["State"]["Running"], true);
}

fn a_new_container_that_somebody_renames_is_not_called_removed(mut world: World) {
    let agent = with_a_window(&mut world);
    let other = format!("renamed-{}", world.name);
    let mut renamed = String::new();
    let answer = deploy_and_then(&world, &agent, |id| {
        renamed = id.to_owned();
        world.act(id, &format!("rename?name={other}"));
    });
    let words = ["confirm failed", "gave the new container another name"];
    told(&answer, 500, &words, &["removed", "kept"]);
    let shown = world.engine("GET", &format!("/containers/{renamed}/json"), None);
    assert_eq!(
        shown.json()["State"]["Running"],
        false,
        "it is stopped all the same"
    );
    world.remove(&renamed);
}

fn a_clean_stop_by_hand_is_told_from_a_clean_exit(mut world: World) {
    for policy in ["unless-stopped", "no"] {
        world.set("RUNTIME_RESTART_POLICY", policy);
        let agent = with_a_window(&mut world);
        let answer = deploy_and_then(&world, &agent, |id| world.act(id, "stop"));
        let words = [
            "confirm failed",
            "the new container was stopped by somebody else",
            "has stopped and is kept for docker logs",
        ];
        told(&answer, 500, &words, &[]);
        assert_eq!(world.shown()["State"]["ExitCode"], 0, "a clean end");
        assert_eq!(world.last_outcome()["state"], "new_exited");
    }
}
