//! The contract's three answers, field by field, and what the container is made of.

use std::time::{Duration, Instant};

use dreichor_test_support::images::digest;
use serde_json::{Value, json};

use crate::harness::{Answer, World};

with_both_runtimes!(
    a_deploy_answers_the_contracts_fields,
    the_container_is_made_of_what_the_server_owns,
    a_deploy_replaces_the_container,
    status_of_nothing_has_neither_image_nor_start,
    a_stop_removes_the_container_and_can_be_repeated,
    environment_is_informational,
    real_curl_gets_the_contracts_answers,
    defaults_are_host_network_and_unless_stopped,
    the_answer_to_an_operation_names_it_and_the_record_of_its_outcome,
);

fn a_deploy_answers_the_contracts_fields(world: World) {
    world.push_runtime("1.0.0");
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    let expected = json!({
        "status": "deployed",
        "container_name": world.name,
        "image": world.image("1.0.0"),
        "environment": "dev",
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(answer.header("content-type"), Some("application/json"));

    let (status, started) = status_and_start(&world, || agent.status());
    let expected = json!({
        "container_name": world.name,
        "running": true,
        "image": world.image("1.0.0"),
        "started_at": started,
    });
    assert_eq!(status, expected);
}

fn the_container_is_made_of_what_the_server_owns(mut world: World) {
    // Where no database can be reached: of what the container is made shows without its process.
    world.set("RUNTIME_NETWORK", "none");
    let digest = world.push("1.0.0", &["run"]).digest;
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let shown = world.shown();

    let environment = strings(&shown["Config"]["Env"]);
    assert!(environment.contains(&"EXECUTION_PLANE=paper".to_owned()));
    assert!(environment.contains(&format!("DATABASE_URL={}", world.database_url())));
    let foreign: Vec<_> = environment
        .iter()
        .filter(|pair| {
            !["EXECUTION_PLANE=", "DATABASE_URL=", "PATH="]
                .iter()
                .any(|own| pair.starts_with(own))
        })
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");

    let mut mounts: Vec<(String, String)> = shown["HostConfig"]["Mounts"]
        .as_array()
        .expect("mounts")
        .iter()
        .map(|mount| (text(&mount["Source"]), text(&mount["Target"])))
        .collect();
    mounts.sort();
    let source = |inside: &str| world.path(inside).display().to_string();
    let expected = [
        (
            source("volumes/audit-events"),
            "/var/lib/dreichor/audit-events".to_owned(),
        ),
        (
            source("volumes/snapshots"),
            "/var/lib/dreichor/snapshots".to_owned(),
        ),
    ];
    assert_eq!(mounts, expected);
    let by_digest = format!("{}@{digest}", world.image("1.0.0"));
    assert_eq!(shown["Config"]["Image"], by_digest);
    assert_eq!(shown["HostConfig"]["NetworkMode"], "none");
    let labels = &shown["Config"]["Labels"];
    assert_eq!(labels["dreichor.deploy-agent.environment"], "dev");
    let reference = &labels["dreichor.deploy-agent.reference"];
    assert_eq!(*reference, world.image("1.0.0"));
    assert_eq!(
        labels["dreichor.deploy-agent.version"],
        deploy_agent::VERSION
    );
    let operation = &world.last_outcome()["operation"];
    assert_eq!(labels["dreichor.deploy-agent.operation"], *operation);
}

fn defaults_are_host_network_and_unless_stopped(mut world: World) {
    world.unset("RUNTIME_NETWORK");
    world.push_runtime("1.0.0");
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let host = &world.shown()["HostConfig"];
    assert_eq!(host["NetworkMode"], "host");
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped");
    assert_ne!(host["Privileged"], true);
}

fn a_deploy_replaces_the_container(world: World) {
    world.push_runtime("1.0.0");
    world.push_runtime("1.0.1");
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let old = world.id();
    assert_eq!(agent.deploy(&world.image("1.0.1")).status, 200);
    assert_ne!(world.id(), old);
    assert_eq!(world.count(), 1);
    assert_eq!(agent.status()["image"], world.image("1.0.1"));
    // The same tag once more is a replacement too: nothing is inferred from what runs.
    let second = world.id();
    assert_eq!(agent.deploy(&world.image("1.0.1")).status, 200);
    assert_ne!(world.id(), second);
}

fn status_of_nothing_has_neither_image_nor_start(world: World) {
    let agent = world.agent();
    let expected = json!({ "container_name": world.name, "running": false });
    assert_eq!(agent.status(), expected);
}

fn a_stop_removes_the_container_and_can_be_repeated(world: World) {
    world.push_runtime("1.0.0");
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let expected = json!({ "status": "stopped", "container_name": world.name });
    for body in ["", "{}"] {
        let answer = agent.post("/v1/stop", body);
        assert_eq!((answer.status, answer.json()), (200, expected.clone()));
        assert!(world.container().is_none());
        assert_eq!(agent.status()["running"], false);
    }
}

fn environment_is_informational(world: World) {
    world.push_runtime("1.0.0");
    let agent = world.agent();
    let body = json!({ "image": world.image("1.0.0"), "environment": "prod" });
    let answer = agent.post("/v1/deploy", &body.to_string());
    assert_eq!(
        (answer.status, &answer.json()["environment"]),
        (200, &json!("dev"))
    );
    let started = world
        .events("operation_started")
        .pop()
        .expect("an operation");
    assert_eq!(started["environment_asked"], "prod");
    assert!(
        agent.log().contains("asked for environment prod"),
        "{}",
        agent.log()
    );
}

fn real_curl_gets_the_contracts_answers(world: World) {
    world.push_runtime("1.0.0");
    let agent = world.agent();
    let curl = |arguments: &[&str]| {
        let output = std::process::Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--write-out",
                "\n%{http_code} %{content_type}",
            ])
            .args(["-H", "CF-Access-Client-Id: ci.access"])
            .args(["-H", "CF-Access-Client-Secret: s3cret"])
            .args(["-H", "Content-Type: application/json"])
            .args(arguments)
            .output()
            .expect("curl runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    };
    let url = |route: &str| format!("http://127.0.0.1:{}/v1/{route}", agent.port);
    let (name, image) = (&world.name, world.image("1.0.0"));
    let asked = json!({ "image": image, "environment": "dev" }).to_string();
    let deployed = curl(&["-d", &asked, &url("deploy")]);
    assert_eq!(
        deployed,
        format!(
            "{{\"status\":\"deployed\",\"container_name\":\"{name}\",\"image\":\"{image}\",\"environment\":\"dev\"}}\n200 application/json"
        )
    );
    let (status, started) = status_and_start(&world, || curl(&[&url("status")]));
    assert_eq!(
        status,
        format!(
            "{{\"container_name\":\"{name}\",\"running\":true,\"image\":\"{image}\",\"started_at\":\"{started}\"}}\n200 application/json"
        )
    );
    let stopped = curl(&["-X", "POST", &url("stop")]);
    assert_eq!(
        stopped,
        format!("{{\"status\":\"stopped\",\"container_name\":\"{name}\"}}\n200 application/json")
    );
}

/// A status, and the last start as the engine shows it. A runtime that loops may start between the two looks, and its
/// event takes a moment: then both are taken again.
fn status_and_start<T: std::fmt::Debug>(world: &World, status: impl Fn() -> T) -> (T, String) {
    let started = || text(&world.shown()["State"]["StartedAt"]);
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let before = started();
        let status = status();
        let shows_it = format!("{status:?}").contains(&before);
        if (shows_it && started() == before) || Instant::now() > end {
            return (status, before);
        }
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// The operation and the head that an answer names are those of the last record.
fn assert_names_its_record(world: &World, answer: &Answer) {
    let trail = std::fs::read_to_string(world.path("state/audit.jsonl")).expect("a trail");
    let last = trail.lines().last().expect("a record");
    let record: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(record["event"], "operation_ended");
    let digest = digest(format!("{last}\n").as_bytes());
    let head = format!("{}:{}", record["seq"], digest.trim_start_matches("sha256:"));
    assert_eq!(answer.header("dreichor-audit-head"), Some(&*head));
    assert_eq!(
        answer.header("dreichor-operation"),
        record["operation"].as_str()
    );
}

fn the_answer_to_an_operation_names_it_and_the_record_of_its_outcome(world: World) {
    world.push_runtime("1.0.0");
    let agent = world.agent();
    let deployed = agent.deploy(&world.image("1.0.0"));
    assert_eq!(deployed.status, 200);
    assert_names_its_record(&world, &deployed);
    let failed = agent.deploy(&world.image("missing"));
    assert_eq!(failed.status, 502, "{}", failed.body);
    assert_names_its_record(&world, &failed);
    let stopped = agent.stop();
    assert_eq!(stopped.status, 200);
    assert_names_its_record(&world, &stopped);
    // No operation is made of these.
    let refused = agent.deploy("elsewhere/runtime:1");
    for answer in [agent.status_answer(), refused] {
        assert_eq!(answer.header("dreichor-operation"), None);
        assert_eq!(answer.header("dreichor-audit-head"), None);
    }
}
