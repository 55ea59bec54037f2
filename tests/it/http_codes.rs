//! Every code that is decided before an operation; and nothing is started by any of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Agent, Kind, World, contract_headers, exchange, request_bytes};

const ROUTES: [(&str, &str); 3] = [
    ("POST", "/v1/deploy"),
    ("GET", "/v1/status"),
    ("POST", "/v1/stop"),
];

fn world() -> (World, Agent) {
    let world = World::new(Kind::Fake);
    let agent = world.agent();
    (world, agent)
}

#[test]
fn each_header_is_required_on_each_route() {
    let (_world, agent) = world();
    for (method, path) in ROUTES.into_iter().chain([("GET", "/nothing")]) {
        for (index, (name, code)) in [
            ("CF-Access-Client-Id", 401),
            ("CF-Access-Client-Secret", 401),
            ("Content-Type", 415),
        ]
        .into_iter()
        .enumerate()
        {
            let mut headers = contract_headers().to_vec();
            for value in [None, Some(""), Some("  ")] {
                headers[index] = contract_headers()[index];
                let presented: Vec<_> = match value {
                    Some(value) => {
                        headers[index].1 = value;
                        headers.clone()
                    }
                    None => {
                        let mut without = headers.clone();
                        without.remove(index);
                        without
                    }
                };
                let answer = agent.request(method, path, &presented, "");
                assert_eq!(answer.status, code, "{method} {path} {name} {value:?}");
                assert!(
                    answer
                        .reason()
                        .to_lowercase()
                        .contains(&name.to_lowercase())
                );
            }
        }
    }
}

#[test]
fn access_is_checked_before_anything_else() {
    let (_world, agent) = world();
    let nothing: [(&str, &str); 0] = [];
    let huge = "x".repeat(20_000);
    for (method, path, body) in [
        ("POST", "/v1/deploy", huge.as_str()),
        ("DELETE", "/v1/stop", ""),
        ("GET", "/secret", ""),
        ("POST", "/v1/deploy", "no json"),
    ] {
        let answer = agent.request(method, path, &nothing, body);
        assert_eq!(answer.status, 401, "{method} {path}");
        answer.reason();
    }
}

#[test]
fn a_content_type_may_carry_parameters_and_any_case() {
    let (_world, agent) = world();
    for (kind, code) in [
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("text/plain", 415),
        ("application/jsonp", 415),
        ("application/json, text/plain", 415),
    ] {
        let mut headers = contract_headers();
        headers[2].1 = kind;
        let answer = agent.request("GET", "/v1/status", &headers, "");
        assert_eq!(answer.status, code, "{kind}");
    }
}

#[test]
fn there_are_three_routes_with_one_method_each() {
    let (_world, agent) = world();
    let headers = contract_headers();
    for path in [
        "/",
        "/v1",
        "/v1/deploy/",
        "/v1/health",
        "/metrics",
        "/V1/status",
        "/v1/status/x",
    ] {
        let answer = agent.request("GET", path, &headers, "");
        assert_eq!(answer.status, 404, "{path}");
        answer.reason();
    }
    for (method, path, allowed) in [
        ("GET", "/v1/deploy", "POST"),
        ("PUT", "/v1/deploy", "POST"),
        ("POST", "/v1/status", "GET"),
        ("DELETE", "/v1/stop", "POST"),
        ("OPTIONS", "/v1/stop", "POST"),
    ] {
        let answer = agent.request(method, path, &headers, "");
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allowed));
        answer.reason();
    }
}

#[test]
fn bodies_are_strict_and_what_is_wrong_is_named() {
    let (world, agent) = world();
    let image = world.image("1.0.0");
    for (body, word) in [
        ("".to_owned(), ""),
        ("{".to_owned(), ""),
        ("[]".to_owned(), ""),
        (json!([image]).to_string(), ""),
        ("null".to_owned(), ""),
        ("{}".to_owned(), "image"),
        (json!({ "image": 5 }).to_string(), ""),
        (json!({ "image": null }).to_string(), ""),
        (
            json!({ "image": image, "environment": "staging" }).to_string(),
            "environment",
        ),
        (
            json!({ "image": image, "environment": null }).to_string(),
            "",
        ),
        (
            json!({ "image": image, "command": ["sh"] }).to_string(),
            "command",
        ),
        (
            format!(r#"{{"image":"{image}","image":"{image}"}}"#),
            "image",
        ),
        (format!(r#"{{"image":"{image}"}} trailing"#), ""),
    ] {
        let answer = agent.post("/v1/deploy", &body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.reason().contains(word), "{body}: {}", answer.body);
    }
    for body in ["null", "[]", r#"{"image":"x"}"#, "x"] {
        assert_eq!(agent.post("/v1/stop", body).status, 400, "{body}");
    }
    assert!(world.events("operation_started").is_empty());
}

#[test]
fn images_of_other_places_are_not_processable() {
    let (world, agent) = world();
    let repository = &world.repository;
    for image in [
        "".to_owned(),
        repository.clone(),
        format!("{repository}:"),
        format!("{repository}:-x"),
        format!("{repository}:a b"),
        format!("{repository}x:1.0.0"),
        format!("{repository}/x:1.0.0"),
        format!("evil.example/{repository}:1.0.0"),
        format!("{repository}:1.0.0@sha256:{}", "0".repeat(64)),
        format!(" {repository}:1.0.0"),
        format!("{repository}:{}", "1".repeat(129)),
        "alpine:3".to_owned(),
        format!("{repository}:../../containers"),
    ] {
        let answer = agent.deploy(&image);
        assert_eq!(answer.status, 422, "{image}: {}", answer.body);
        answer.reason();
    }
    assert!(world.events("operation_started").is_empty());
    let fake = world.fake.as_ref().expect("the fake engine");
    assert!(fake.controls().changing_calls().is_empty());
}

#[test]
fn latest_is_refused_in_prod_only() {
    let (world, agent) = world();
    // In dev the tag is tried: the registry has none.
    assert_eq!(agent.deploy(&world.image("latest")).status, 502);
    drop(agent);
    let mut world = World::new(Kind::Fake);
    world.set("ENVIRONMENT", "prod");
    world.name = world.name.replace("-dev", "-prod");
    let name = world.name.clone();
    world.set("CONTAINER_NAME", &name);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("latest")).status, 422);
}

#[test]
fn a_body_over_16_kib_is_too_large() {
    let (_world, agent) = world();
    let answer = agent.post("/v1/deploy", &"x".repeat(16 * 1024 + 1));
    assert_eq!(answer.status, 413);
    answer.reason();
    assert_eq!(agent.post("/v1/deploy", &"x".repeat(16 * 1024)).status, 400);
}

#[test]
fn chunked_bodies_are_bounded_too() {
    let (_world, agent) = world();
    let mut head = String::from("POST /v1/deploy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    for (name, value) in contract_headers() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("Transfer-Encoding: chunked\r\n\r\n");
    for _ in 0..20 {
        head.push_str(&format!("400\r\n{}\r\n", "x".repeat(1024)));
    }
    head.push_str("0\r\n\r\n");
    let answer = exchange(agent.port, head.as_bytes()).expect("answered");
    assert_eq!(answer.status, 413);
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let (_world, agent) = world();
    let mut bytes = request_bytes("POST", "/v1/deploy", &contract_headers(), "0123456789");
    bytes.truncate(bytes.len() - 5);
    let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout");
    stream.write_all(&bytes).expect("sent");
    let mut answer = [0_u8; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[test]
fn an_absent_engine_is_answered_503_and_found_when_it_comes() {
    let world = World::new(Kind::Fake);
    let fake = world.fake.as_ref().expect("the fake engine");
    fake.stop_listening();
    let agent = world.agent();
    assert_eq!(agent.status_answer().status, 503);
    agent.status_answer().reason();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(
        answer.reason().contains("cannot be reached"),
        "{}",
        answer.body
    );
    assert_eq!(agent.stop().status, 503);
    fake.start_listening();
    world.push("1.0.0", &["run"]);
    agent.status_until(Duration::from_secs(10), |answer| answer.status == 200);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    // And when it goes again, what is known ages, and says since when.
    fake.stop_listening();
    let stale = agent.status_until(Duration::from_secs(10), |answer| answer.status == 503);
    assert!(stale.reason().contains("last seen at 20"), "{}", stale.body);
    fake.start_listening();
    agent.status_until(Duration::from_secs(10), |answer| answer.status == 200);
}

#[test]
fn no_answer_may_be_kept_by_a_cache() {
    let (world, agent) = world();
    world.push("1.0.0", &["run"]);
    let (deploy, huge) = (
        json!({ "image": world.image("1.0.0") }).to_string(),
        "x".repeat(16 * 1024 + 1),
    );
    let headers = contract_headers();
    for (method, path, headers, body, code) in [
        ("GET", "/v1/status", &headers[..], "", 200),
        ("POST", "/v1/deploy", &headers, deploy.as_str(), 200),
        ("POST", "/v1/stop", &headers, "", 200),
        ("POST", "/v1/deploy", &headers, "{", 400),
        ("GET", "/v1/status", &headers[2..], "", 401),
        ("GET", "/v1/nothing", &headers, "", 404),
        ("PUT", "/v1/stop", &headers, "", 405),
        ("POST", "/v1/deploy", &headers, huge.as_str(), 413),
        ("GET", "/v1/status", &headers[..2], "", 415),
        ("POST", "/v1/deploy", &headers, r#"{"image":"x"}"#, 422),
    ] {
        let answer = agent.request(method, path, headers, body);
        assert_eq!(answer.status, code, "{method} {path}: {}", answer.body);
        let kept = answer.header("cache-control");
        assert_eq!(kept, Some("no-store"), "{method} {path}");
        assert_eq!(answer.header("connection"), Some("close"));
    }
}
