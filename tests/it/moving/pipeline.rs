//! What a pipeline sees differently.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world;
use crate::harness::{Agent, Answer, Kind, Runtime, World, contract_headers, request_bytes, until};

const ROUTES: [(&str, &str); 3] = [
    ("POST", "/v1/deploy"),
    ("GET", "/v1/status"),
    ("POST", "/v1/stop"),
];

fn nothing_was_started(world: &World) {
    assert!(world.events("operation_started").is_empty());
}

#[test]
fn content_type_is_demanded_on_all_three_routes_and_the_reason_says_what_to_add() {
    let world = world(Kind::Fake);
    let agent = world.agent();
    let [id, secret, _] = contract_headers();
    for (method, path) in ROUTES {
        let answer = agent.request(method, path, &[id, secret], "");
        assert_eq!(answer.status, 415, "{method} {path}: {}", answer.body);
        let reason = answer.reason();
        for word in [
            "add the header Content-Type: application/json",
            "nothing was changed",
        ] {
            assert!(reason.contains(word), "{reason}");
        }
    }
    nothing_was_started(&world);
}

#[test]
fn cf_ray_is_not_needed_and_the_two_headers_of_the_token_are() {
    let world = world(Kind::Fake);
    let agent = world.agent();
    assert_eq!(agent.status_answer().status, 200);
    for (method, path) in ROUTES {
        let old = [("cf-ray", "8f1-FRA"), ("Content-Type", "application/json")];
        let answer = agent.request(method, path, &old, "");
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
    }
    nothing_was_started(&world);
}

/// The fields that pipelines of the old agent sent.
fn old_fields() -> [(&'static str, Value); 4] {
    [
        ("env", json!({"EXECUTION_PLANE": "paper"})),
        ("container_name", json!("dreichor-runtime")),
        (
            "volumes",
            json!({"dreichor-snapshots": "/var/lib/dreichor/snapshots"}),
        ),
        ("component", json!("runtime")),
    ]
}

#[test]
fn unknown_fields_of_a_deploy_are_refused_by_name() {
    let world = world(Kind::Fake);
    let agent = world.agent();
    for (name, value) in old_fields() {
        let body = json!({"image": world.image("1.0.0"), "environment": "dev", name: value});
        let answer = agent.post("/v1/deploy", &body.to_string());
        assert_eq!(answer.status, 400, "{name}: {}", answer.body);
        assert!(answer.reason().contains(name), "{}", answer.body);
    }
    nothing_was_started(&world);
}

#[test]
fn unknown_fields_of_a_stop_are_refused_by_name() {
    let world = world(Kind::Fake);
    let agent = world.agent();
    let body = json!({"container_name": "dreichor-runtime"});
    let answer = agent.post("/v1/stop", &body.to_string());
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(
        answer.reason().contains("container_name"),
        "{}",
        answer.body
    );
    nothing_was_started(&world);
    for body in ["", "{}"] {
        assert_eq!(agent.post("/v1/stop", body).status, 200);
    }
}

#[test]
fn health_does_not_exist() {
    let world = world(Kind::Fake);
    let answer = world
        .agent()
        .request("GET", "/health", &contract_headers(), "");
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert!(
        answer.reason().contains("GET /v1/status"),
        "{}",
        answer.body
    );
}

#[test]
fn the_static_ui_is_not_deployed() {
    let world = world(Kind::Fake);
    let agent = world.agent();
    let body = json!({"image": world.image("1.0.0"), "component": "ui"});
    let answer = agent.post("/v1/deploy", &body.to_string());
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.reason().contains("component"), "{}", answer.body);
    nothing_was_started(&world);
}

#[test]
fn the_environment_of_an_answer_is_the_agents_own() {
    let world = world(Kind::Fake);
    let agent = world.agent();
    let body = json!({"image": world.image("1.0.0"), "environment": "prod"});
    let answer = agent.post("/v1/deploy", &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["environment"], "dev");
    assert_eq!(answer.json()["container_name"], world.name);
}

#[test]
fn a_deploy_answers_after_its_confirmation_window() {
    let mut world = world(Kind::Fake);
    world.set("START_CONFIRMATION_SECONDS", "2");
    let agent = world.agent();
    let asked = Instant::now();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert!(asked.elapsed() >= Duration::from_secs(2));
}

#[test]
fn every_error_has_status_and_reason() {
    let world = world(Kind::Fake);
    let agent = world.agent();
    let nothing: [(&str, &str); 0] = [];
    let answers: [Answer; 4] = [
        agent.request("GET", "/v1/status", &nothing, ""),
        agent.post("/v1/deploy", "{}"),
        agent.deploy(&world.image("9.9.9")),
        agent.request("GET", "/", &contract_headers(), ""),
    ];
    for answer in answers {
        assert_ne!(answer.status, 200);
        // Fails the test unless there are exactly these two.
        answer.reason();
    }
}

#[test]
fn deploys_wait_in_a_queue_and_a_status_waits_for_nothing() {
    let mut world = world(Kind::Fake);
    world.set("START_CONFIRMATION_SECONDS", "3");
    world.set("QUEUE_CAPACITY", "1");
    let agent: &Agent = &world.agent();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| agent.deploy(&world.image("1.0.0")));
        until("it runs", Duration::from_secs(10), || {
            !world.events("operation_started").is_empty()
        });
        // One runs and one may wait: of two more one is rejected.
        let others = [(); 2].map(|()| scope.spawn(|| agent.deploy(&world.image("1.0.1"))));
        let asked = Instant::now();
        assert_eq!(agent.status_answer().status, 200);
        assert!(asked.elapsed() < Duration::from_secs(1));
        assert_eq!(first.join().expect("answered").status, 200);
        let mut statuses = others.map(|other| other.join().expect("answered").status);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 503]);
    });
    let ends = world.events("operation_ended");
    let starts = world.events("operation_started");
    assert!(starts[1]["seq"].as_u64() > ends[0]["seq"].as_u64());
}

#[test]
fn a_connection_carries_one_request() {
    let world = world(Kind::Fake);
    let _agent = world.agent();
    let request = request_bytes("GET", "/v1/status", &contract_headers(), "");
    let request = String::from_utf8_lossy(&request).replace("Connection: close\r\n", "");
    let mut stream = TcpStream::connect(("127.0.0.1", world.port)).expect("connected");
    let timeout = Some(Duration::from_secs(10));
    stream.set_read_timeout(timeout).expect("a timeout");
    stream
        .write_all(request.repeat(2).as_bytes())
        .expect("sent");
    let mut said = String::new();
    // Ends with the connection, and not with the timeout.
    stream.read_to_string(&mut said).expect("closed");
    assert_eq!(said.matches("HTTP/1.1 200").count(), 1, "{said}");
    assert!(said.to_lowercase().contains("connection: close"), "{said}");
}

#[test]
fn a_runtime_that_ends_with_0_and_is_brought_back_reads_running() {
    let mut world = world(Kind::Real);
    world.runtime = Runtime::Loops;
    world.push_runtime("2.0.0");
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        let status = agent.status();
        assert_eq!(status["running"], true, "{status}");
        assert_eq!(status["image"], world.image("2.0.0"));
        assert!(status["started_at"].is_string(), "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(world.shown()["RestartCount"].as_u64() > Some(0));
}
