//! What bounds the runtime container: no raw sockets, no new privileges, its stop signal, its log, its limits.

use std::time::Duration;

use dreichor_test_support::images::ImageSpec;
use serde_json::{Value, json};

use crate::harness::{Agent, Kind, World, until};

on_both_engines!(
    an_image_without_settings_gets_the_default_container,
    a_container_that_tries_gets_no_raw_socket,
    a_stop_begins_with_sigterm_whatever_the_image_asks_for,
    limits_and_init_arrive_as_they_are_set,
    one_log_file_is_a_bound_too,
    the_local_log_driver_is_bounded_too,
    another_default_log_driver_keeps_its_own_settings,
    a_limit_that_the_engine_cannot_keep_is_refused_before_anything_is_touched,
    the_trail_tells_two_sets_of_bounds_apart,
);

/// The host configuration of the container there is.
fn host_config(world: &World) -> Value {
    world.shown()["HostConfig"].clone()
}

fn deployed(world: &World, tag: &str) -> Agent {
    let agent = world.agent();
    let answer = agent.deploy(&world.image(tag));
    assert_eq!(answer.status, 200, "{}", answer.body);
    agent
}

/// What a container has said; empty on the fake engine, whose processes say nothing.
fn said(world: &World, id: &str) -> String {
    let path = format!("/containers/{id}/logs?stdout=1&stderr=1");
    match world.kind {
        Kind::Real => world.engine("GET", &path, None).body,
        Kind::Fake => String::new(),
    }
}

fn an_image_without_settings_gets_the_default_container(world: World) {
    world.push("1.0.0", &["run"]);
    let _agent = deployed(&world, "1.0.0");
    let shown = world.shown();
    let host = &shown["HostConfig"];
    assert_eq!(shown["Config"]["StopSignal"], "SIGTERM");
    assert_eq!(host["CapDrop"], json!(["NET_RAW"]));
    assert!(host["CapAdd"].is_null() && host["Privileged"] != true);
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    assert_eq!(host["Init"], Value::Null, "the engine's own default");
    assert_eq!(host["LogConfig"]["Type"], "json-file");
    let bounds = json!({ "max-size": "10m", "max-file": "3" });
    assert_eq!(host["LogConfig"]["Config"], bounds);
    for limit in ["Memory", "NanoCpus", "PidsLimit"] {
        assert!(
            host[limit].is_null() || host[limit] == 0,
            "{limit}: {}",
            host[limit]
        );
    }
}

fn a_container_that_tries_gets_no_raw_socket(world: World) {
    world.push("1.0.0", &["sniff"]);
    // Somebody else's container of this image, with the engine's defaults, gets what it asks for.
    let other = world.foreign_container("1.0.0", "no");
    world.act(&other, "start");
    until("it has tried", Duration::from_secs(10), || {
        world.shown()["State"]["Status"] == "exited"
    });
    assert_eq!(world.shown()["State"]["ExitCode"], 3);
    if world.kind == Kind::Real {
        let said = said(&world, &other);
        assert!(said.contains("packet socket: opened"), "{said}");
        assert!(said.contains("raw socket: opened"), "{said}");
    }

    let agent = deployed(&world, "1.0.0");
    assert_eq!(agent.status()["running"], true);
    let shown = world.shown();
    assert_eq!(shown["HostConfig"]["NetworkMode"], "host");
    assert_eq!(shown["State"]["Status"], "running", "nothing was opened");
    if world.kind == Kind::Real {
        let said = said(&world, &world.id());
        let refused = "Operation not permitted (os error 1)";
        for line in [
            format!("packet socket: {refused}"),
            format!("raw socket: {refused}"),
            "NoNewPrivs:\t1".to_owned(),
        ] {
            assert!(said.contains(&line), "{line}: {said}");
        }
    }
}

fn a_stop_begins_with_sigterm_whatever_the_image_asks_for(mut world: World) {
    world.set("STOP_GRACE_SECONDS", "5");
    let agent = world.agent();
    for (tag, signal) in [("1.0.0", "SIGKILL"), ("2.0.0", "SIGUSR1")] {
        world.push_spec(tag, ImageSpec::mode(&["run"]).stop_signal(signal));
        let answer = agent.deploy(&world.image(tag));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(world.shown()["Config"]["StopSignal"], "SIGTERM");
        assert_eq!(agent.stop().status, 200);
        let ended = world.events("predecessor_ended").pop().expect("an end");
        // Neither killed at once nor left to the end of the grace.
        assert_eq!(ended["exit_code"], 0, "{signal}: {ended}");
        assert_eq!(ended["killed_after_grace"], false, "{signal}: {ended}");
    }
}

fn limits_and_init_arrive_as_they_are_set(mut world: World) {
    world.push("1.0.0", &["run"]);
    for (name, value) in [
        ("RUNTIME_MEMORY", "64m"),
        ("RUNTIME_CPUS", "0.5"),
        ("RUNTIME_PIDS", "32"),
        ("RUNTIME_INIT", "true"),
        ("RUNTIME_LOG_MAX_SIZE", "1m"),
        ("RUNTIME_LOG_MAX_FILES", "2"),
    ] {
        world.set(name, value);
    }
    let _agent = deployed(&world, "1.0.0");
    let host = host_config(&world);
    assert_eq!(host["Memory"], 64 * 1024 * 1024);
    assert_eq!(host["NanoCpus"], 500_000_000);
    assert_eq!(host["PidsLimit"], 32);
    assert_eq!(host["Init"], true);
    let bounds = json!({ "max-size": "1m", "max-file": "2" });
    assert_eq!(host["LogConfig"]["Config"], bounds);
}

fn one_log_file_is_a_bound_too(mut world: World) {
    world.push("1.0.0", &["run"]);
    world.set("RUNTIME_LOG_MAX_FILES", "1");
    let _agent = deployed(&world, "1.0.0");
    assert_eq!(host_config(&world)["LogConfig"]["Config"]["max-file"], "1");
}

/// An engine whose containers log so, unless they are told otherwise.
fn with_log_driver(world: &mut World, driver: &str) {
    match &world.fake {
        Some(fake) => fake.log_driver(driver),
        None => world.own_engine_with(&[format!("--log-driver={driver}")]),
    }
}

/// `check` tells which log is bounded and which is left alone.
fn check_says(world: &World, line: &str) {
    let (code, said, problems) = crate::command_line::checked(world);
    assert_eq!(code, Some(0), "{problems}");
    assert!(said.contains(line), "{said}");
}

fn the_local_log_driver_is_bounded_too(mut world: World) {
    with_log_driver(&mut world, "local");
    world.push("1.0.0", &["run"]);
    let agent = deployed(&world, "1.0.0");
    check_says(
        &world,
        "log of the runtime: local, at most 3 files of 10m\n",
    );
    let log = host_config(&world)["LogConfig"].clone();
    assert_eq!(log["Type"], "local");
    assert_eq!(log["Config"], json!({ "max-size": "10m", "max-file": "3" }));
    drop(agent);
    // One file cannot be compressed, which this driver does by itself.
    world.set("RUNTIME_LOG_MAX_FILES", "1");
    let _agent = deployed(&world, "1.0.0");
    let log = host_config(&world)["LogConfig"].clone();
    assert_eq!(
        (&log["Type"], &log["Config"]["max-file"]),
        (&json!("local"), &json!("1"))
    );
}

fn another_default_log_driver_keeps_its_own_settings(mut world: World) {
    with_log_driver(&mut world, "none");
    world.push("1.0.0", &["run"]);
    let _agent = deployed(&world, "1.0.0");
    let log = host_config(&world)["LogConfig"].clone();
    assert_eq!((&log["Type"], &log["Config"]), (&json!("none"), &json!({})));
    check_says(
        &world,
        "log of the runtime: none, bounded by the engine's own settings",
    );
}

fn a_limit_that_the_engine_cannot_keep_is_refused_before_anything_is_touched(mut world: World) {
    world.push("1.0.0", &["run"]);
    let agent = deployed(&world, "1.0.0");
    let old = world.identity();
    drop(agent);
    world.set("RUNTIME_CPUS", "4096");
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    for words in ["preflight failed", "RUNTIME_CPUS", "not touched"] {
        assert!(answer.reason().contains(words), "{}", answer.body);
    }
    assert_eq!(world.identity(), old);
}

fn the_trail_tells_two_sets_of_bounds_apart(mut world: World) {
    world.push("1.0.0", &["run"]);
    let mut seen = Vec::new();
    for (name, value) in [
        ("RUNTIME_CPUS", "1"),
        ("RUNTIME_MEMORY", "64m"),
        ("RUNTIME_PIDS", "32"),
        ("RUNTIME_INIT", "false"),
        ("RUNTIME_LOG_MAX_SIZE", "2m"),
        ("RUNTIME_LOG_MAX_FILES", "5"),
    ] {
        world.set(name, value);
        let _agent = deployed(&world, "1.0.0");
        let outcome = world.last_outcome();
        let settings = outcome["container_settings"].clone();
        for named in ["RUNTIME_MEMORY", "LogConfig", "CapDrop", "StopSignal"] {
            assert!(settings.to_string().contains(named), "{settings}");
        }
        assert!(!seen.contains(&settings), "{name}: {settings}");
        seen.push(settings);
    }
}
