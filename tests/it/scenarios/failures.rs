//! What goes wrong before, at and after the start, and what is left then.

use std::time::{Duration, Instant};

use dreichor_test_support::database::Database;
use serde_json::Value;

use crate::harness::{Agent, Answer, Runtime, World, image_asked, until};

on_both_engines!(
    an_exit_with_0_counts_as_a_start,
    health_is_asked_for_when_the_settings_say_so,
    a_process_that_ignores_sigterm_is_killed_after_the_grace,
    mutable_tags_may_be_allowed_in_dev,
);

with_both_runtimes!(
    a_failed_pull_leaves_the_old_container,
    an_engine_that_has_no_such_platform_leaves_the_old_container,
    a_crash_at_the_start_fails_and_does_not_loop,
    a_crash_inside_the_window_fails,
    a_program_that_is_not_there_fails_the_start,
    a_bad_runtime_env_is_named_and_nothing_is_touched,
    a_missing_bind_source_is_named_and_nothing_is_touched,
    a_plane_that_is_not_allowed_is_refused,
    a_moved_tag_is_refused_before_the_old_container_is_touched,
    a_pull_that_stalls_is_given_up_within_the_budget,
    a_runtime_without_its_environment_fails_the_deploy,
    a_runtime_without_its_database_fails_the_deploy,
);

/// The answer is an error of this code that names the step, and the old container runs as before.
fn untouched(
    world: &World,
    agent: &Agent,
    old: &Value,
    answer: &Answer,
    code: u16,
    words: &[&str],
) {
    refused(answer, code, words);
    assert_eq!(&world.identity(), old);
    assert_eq!(agent.status()["running"], true);
    let outcome = world.last_outcome();
    assert_eq!(
        (outcome["http"].as_u64(), &outcome["state"]),
        (Some(u64::from(code)), &"old_running".into())
    );
}

/// The answer is an error of this code with these words in its reason.
fn refused(answer: &Answer, code: u16, words: &[&str]) {
    assert_eq!(answer.status, code, "{}", answer.body);
    let reason = answer.reason();
    for word in words {
        assert!(reason.contains(word), "{word} is not in: {reason}");
    }
}

fn a_failed_pull_leaves_the_old_container(world: World) {
    let (agent, old) = world.running_one();
    let answer = agent.deploy(&world.image("9.9.9"));
    untouched(
        &world,
        &agent,
        &old,
        &answer,
        502,
        &["pull failed", "the old runtime container was not touched"],
    );
}

fn an_engine_that_has_no_such_platform_leaves_the_old_container(world: World) {
    let (agent, old) = world.running_one();
    let spec = dreichor_test_support::images::ImageSpec::mode(&["run"]).architecture("s390x");
    world.push_spec("2.0.0", spec);
    let answer = agent.deploy(&world.image("2.0.0"));
    untouched(&world, &agent, &old, &answer, 502, &["s390x"]);
}

fn failed_start(world: &World, agent: &Agent, words: &str) {
    failed_start_of(world, agent, words);
    // The next explicit deploy converges from what is left.
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert_eq!(world.count(), 1);
}

/// What did not start is stopped, shown as not running, and does not loop.
fn failed_start_of(world: &World, agent: &Agent, words: &str) {
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    let reason = answer.reason();
    assert!(reason.contains(words), "{words} is not in: {reason}");
    assert_eq!(agent.status()["running"], false);
    assert_eq!(world.count(), 1);
    let left = world.shown();
    assert_eq!(image_asked(&left), world.image("2.0.0"));
    let restarts = left["RestartCount"].clone();
    std::thread::sleep(Duration::from_secs(2));
    let later = world.shown();
    assert_eq!(later["State"]["Running"], false);
    assert_eq!(later["RestartCount"], restarts);
}

fn a_crash_at_the_start_fails_and_does_not_loop(world: World) {
    let (agent, _) = world.running_one();
    world.push("2.0.0", &["crash"]);
    failed_start(&world, &agent, "exited with code 3");
}

fn a_crash_inside_the_window_fails(world: World) {
    let (agent, _) = world.running_one();
    world.push("2.0.0", &["crash-after", "400"]);
    failed_start(&world, &agent, "exited with code 3");
}

fn a_program_that_is_not_there_fails_the_start(world: World) {
    let (agent, _) = world.running_one();
    let spec = dreichor_test_support::images::ImageSpec::entrypoint(&["/missing"]);
    world.push_spec("2.0.0", spec);
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(answer.reason().contains("start failed"), "{}", answer.body);
    assert_eq!(agent.status()["running"], false);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert_eq!(world.count(), 1);
}

/// The agent demands no EXECUTION_PLANE, the runtime does.
fn a_runtime_without_its_environment_fails_the_deploy(world: World) {
    let (agent, _) = world.running_one();
    world.push_runtime("2.0.0");
    world.write_runtime_env(&format!("DATABASE_URL={}\n", world.database_url()));
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    let reason = answer.reason();
    assert!(reason.contains("exited with code 1"), "{reason}");
    assert_eq!(agent.status()["running"], false);
}

fn a_runtime_without_its_database_fails_the_deploy(mut world: World) {
    let (agent, _) = world.running_one();
    world.push_runtime("2.0.0");
    world.database.stop();
    failed_start_of(&world, &agent, "exited with code 1");
    world.database = Database::on(world.database.port());
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    assert_eq!(agent.status()["running"], true);
}

fn an_exit_with_0_counts_as_a_start(mut world: World) {
    world.set("RUNTIME_RESTART_POLICY", "no");
    world.push("1.0.0", &["exit-0-after", "200"]);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let status = agent.status();
    assert_eq!(status["running"], false);
    assert_eq!(status.get("image"), None);
    assert_eq!(world.last_outcome()["state"], "new_exited");
}

fn health_is_asked_for_when_the_settings_say_so(mut world: World) {
    world.set("START_CONFIRMATION", "healthy");
    world.set("START_CONFIRMATION_SECONDS", "8");
    let spec = |check| dreichor_test_support::images::ImageSpec::mode(&["run"]).healthcheck(check);
    world.push_spec("1.0.0", spec("check-ok"));
    world.push_spec("2.0.0", spec("check-fail"));
    let agent = world.agent();
    let begun = Instant::now();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "healthy ends the window"
    );
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(answer.reason().contains("unhealthy"), "{}", answer.body);
    assert_eq!(world.shown()["State"]["Running"], false);
}

fn a_process_that_ignores_sigterm_is_killed_after_the_grace(world: World) {
    world.push("1.0.0", &["ignore-term"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert_eq!(agent.stop().status, 200);
    assert!(world.container().is_none());
    let ended = world.events("predecessor_ended").pop().expect("an end");
    assert_eq!(ended["killed_after_grace"], true);
    assert_eq!(ended["exit_code"], 137);
    assert_eq!(ended["oom_killed"], false);
    let cost = ended["stop_ms"].as_u64().expect("milliseconds");
    assert!((1000..10_000).contains(&cost), "{cost}");
    assert!(agent.log().contains("did not end on SIGTERM"));
    let table = world.history(&[]);
    let said = "the old container did not end on SIGTERM: its grace cost ";
    assert!(table.contains(said), "{table}");
}

fn a_bad_runtime_env_is_named_and_nothing_is_touched(world: World) {
    let (agent, old) = world.running_one();
    world.write_runtime_env("EXECUTION_PLANE=paper\nBARE_KEY\n");
    let answer = agent.deploy(&world.image("1.0.0"));
    let words = ["preflight failed", "RUNTIME_ENV_FILE", "line 2"];
    untouched(&world, &agent, &old, &answer, 500, &words);
    std::fs::remove_file(world.path("runtime.env")).expect("removed");
    let answer = agent.deploy(&world.image("1.0.0"));
    untouched(&world, &agent, &old, &answer, 500, &["RUNTIME_ENV_FILE"]);
}

fn a_missing_bind_source_is_named_and_nothing_is_touched(world: World) {
    let (agent, old) = world.running_one();
    let snapshots = world.path("volumes/snapshots");
    std::fs::rename(&snapshots, world.path("elsewhere")).expect("moved");
    let answer = agent.deploy(&world.image("1.0.0"));
    match world.runtime {
        Runtime::Serves => untouched(&world, &agent, &old, &answer, 500, &["SNAPSHOTS_PATH"]),
        // Without its directory the engine cannot bring a loop back: it may have ended it by now.
        Runtime::Loops => {
            refused(&answer, 500, &["SNAPSHOTS_PATH"]);
            assert_eq!(world.identity()[0], old[0], "the same container");
        }
    }
    assert!(!snapshots.exists(), "nobody made it");
}

fn a_plane_that_is_not_allowed_is_refused(world: World) {
    let (agent, old) = world.running_one();
    let url = world.database_url();
    world.write_runtime_env(&format!("EXECUTION_PLANE=live\nDATABASE_URL={url}\n"));
    let answer = agent.deploy(&world.image("1.0.0"));
    untouched(&world, &agent, &old, &answer, 500, &["EXECUTION_PLANE"]);
}

fn a_moved_tag_is_refused_before_the_old_container_is_touched(world: World) {
    let (agent, old) = world.running_one();
    let spec = dreichor_test_support::images::ImageSpec::mode(&["run"]).label("build", "another");
    world.push_spec("1.0.0", spec);
    let answer = agent.deploy(&world.image("1.0.0"));
    untouched(
        &world,
        &agent,
        &old,
        &answer,
        409,
        &["tag 1.0.0 is immutable"],
    );
    drop(agent);
    // What a life of the agent has learnt, the next one knows.
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    untouched(&world, &agent, &old, &answer, 409, &["immutable"]);
}

fn mutable_tags_may_be_allowed_in_dev(mut world: World) {
    world.set("ALLOW_MUTABLE_TAGS", "true");
    let (agent, _) = world.running_one();
    let spec = dreichor_test_support::images::ImageSpec::mode(&["run"]).label("build", "another");
    world.push_spec("1.0.0", spec);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
}

pub(super) fn a_pull_that_stalls_is_given_up_within_the_budget(mut world: World) {
    // The least that the other settings allow: five seconds are left for the pull.
    world.set("OPERATION_BUDGET_SECONDS", "32");
    let (agent, old) = world.running_one();
    world.push_runtime("2.0.0");
    world.registry.stall_blobs();
    let begun = Instant::now();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert!(begun.elapsed() < Duration::from_secs(32));
    let words = [
        "pull failed",
        "had come",
        world.store().repeated_pull,
        "deploy-agent pull dev 2.0.0",
    ];
    untouched(&world, &agent, &old, &answer, 504, &words);
    world.registry.heal();
    until(
        "the engine lets go of the pull",
        Duration::from_secs(30),
        || agent.deploy(&world.image("2.0.0")).status == 200,
    );
}
