//! Requests of odd shape: each has one fixed answer, and none of them starts what it should not.

use super::{answers, headers, is_bare, world};
use crate::harness::{Agent, Answer, World, exchange_raw};

/// What is answered to these bytes, and that nothing was started by them.
fn codes(world: &World, agent: &Agent, bytes: &str) -> Vec<u16> {
    let before = started(world);
    let came = exchange_raw(agent.port, bytes.as_bytes());
    let answers = answers(&came);
    for answer in answers.iter().filter(|answer| !is_bare(answer)) {
        if answer.status >= 400 {
            answer.reason();
        }
    }
    assert_eq!(started(world), before, "{bytes:?} started something");
    answers.iter().map(|answer| answer.status).collect()
}

fn started(world: &World) -> usize {
    world.events("operation_started").len()
}

/// A request that ends its connection.
fn request(line: &str, more: &str, body: &str) -> String {
    let h = headers();
    format!("{line}\r\nHost: a\r\nConnection: close\r\n{h}{more}\r\n{body}")
}

#[test]
fn paths_are_taken_letter_by_letter() {
    let (world, agent) = world();
    for path in [
        "//v1/deploy",
        "/v1/deploy/",
        "/v1//deploy",
        "/v1/%64eploy",
        "/v1/deploy%2f",
        "/v1/deploy%00",
        "/V1/deploy",
        "/v1/./deploy",
        "/v1/x/../deploy",
        "/v1/stop;x=1",
        "/v1/%73top",
        "/",
        "/v1/stop%20",
    ] {
        let bytes = request(
            &format!("POST {path} HTTP/1.1"),
            "Content-Length: 0\r\n",
            "",
        );
        let codes = codes(&world, &agent, &bytes);
        assert_eq!(codes, [404], "{path}");
    }
    for target in ["*", "v1/stop", "a:80", "?", "#/v1/stop", "\u{fc}"] {
        let bytes = request(
            &format!("POST {target} HTTP/1.1"),
            "Content-Length: 0\r\n",
            "",
        );
        println!("{target}");
        let codes = codes(&world, &agent, &bytes);
        assert!(matches!(codes[..], [400 | 404] | []), "{target}: {codes:?}");
    }
}

/// A fragment is no part of what HTTP sends. The framework cuts it off before anybody can see it, so it cannot be told
/// from the path without it; it is checked for access as any other request.
#[test]
fn a_fragment_is_not_seen() {
    let (world, agent) = world();
    let bytes = request("GET /v1/status#x HTTP/1.1", "", "");
    assert_eq!(codes(&world, &agent, &bytes), [200]);
    let bytes = "POST /v1/stop#x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(codes(&world, &agent, bytes), [401]);
}

#[test]
fn methods_that_are_none_of_the_contract_are_refused() {
    let (world, agent) = world();
    for (method, path, code) in [
        ("OPTIONS", "/v1/deploy", 405),
        ("OPTIONS", "*", 404),
        ("TRACE", "/v1/stop", 405),
        ("PUT", "/v1/deploy", 405),
        ("DELETE", "/v1/stop", 405),
        ("PATCH", "/v1/stop", 405),
        ("post", "/v1/stop", 405),
        ("HEAD", "/v1/status", 405),
        ("GET", "/v1/stop", 405),
        ("POST", "/v1/status", 405),
        ("CONNECT", "/v1/stop", 405),
        ("CONNECT", "127.0.0.1:80", 404),
        ("PRI", "*", 404),
    ] {
        let bytes = request(&format!("{method} {path} HTTP/1.1"), "", "");
        let before = started(&world);
        let came = exchange_raw(agent.port, bytes.as_bytes());
        let head = String::from_utf8_lossy(&came).into_owned();
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        assert_eq!(status, code.to_string(), "{method} {path}: {head}");
        if method != "HEAD" {
            answers(&came)[0].reason();
        }
        assert_eq!(started(&world), before, "{method} {path}");
    }
}

#[test]
fn a_connection_never_turns_into_another_protocol() {
    let (world, agent) = world();
    for more in [
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Upgrade: TLS/1.0\r\n",
    ] {
        let bytes = request("GET /v1/status HTTP/1.1", more, "");
        assert_eq!(codes(&world, &agent, &bytes), [200], "{more}");
        let h = headers();
        let inner = request("GET /v1/status HTTP/1.1", "", "");
        let bytes = format!("GET /v1/nothing HTTP/1.1\r\nHost: a\r\n{h}{more}\r\n{inner}");
        // What comes behind is a second request, or nothing.
        let codes = codes(&world, &agent, &bytes);
        assert!(matches!(codes[..], [404] | [404, 400]), "{more}: {codes:?}");
    }
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(codes(&world, &agent, preface), [400]);
}

#[test]
fn headers_count_in_any_case_and_only_once() {
    let (world, agent) = world();
    let odd: String = headers()
        .lines()
        .map(|line| {
            let (name, value) = line.split_once(": ").expect("a header");
            format!("{}:\t {value} \t\r\n", name.to_ascii_uppercase())
        })
        .collect();
    let bytes = format!("GET /v1/status HTTP/1.1\r\nhOST: a\r\nconnection: CLOSE\r\n{odd}\r\n");
    assert_eq!(codes(&world, &agent, &bytes), [200]);
    for (more, code) in [
        ("Content-Type: application/json\r\n", 415),
        ("content-type: text/plain\r\n", 415),
        ("CF-Access-Client-Id: ci.access\r\n", 403),
        ("cf-access-client-id: other\r\n", 403),
        ("CF-Access-Client-Secret: x\r\n", 403),
        ("Origin: https://example.com\r\n", 403),
        (
            "Cf-Access-Jwt-Assertion: a.b.c\r\nCf-Access-Jwt-Assertion: a.b.c\r\n",
            200,
        ),
    ] {
        for line in ["POST /v1/deploy HTTP/1.1", "GET /v1/status HTTP/1.1"] {
            let bytes = request(line, more, "");
            let expected = if code == 200 && line.starts_with("POST") {
                400
            } else {
                code
            };
            assert_eq!(codes(&world, &agent, &bytes), [expected], "{line} {more}");
        }
    }
}

/// Where a reader in front of the agent and the agent could disagree about the end of a request, it is rejected.
#[test]
fn framing_that_two_readers_could_read_in_two_ways_is_refused() {
    let (world, agent) = world();
    let h = headers();
    let inner = format!("POST /v1/stop HTTP/1.1\r\nHost: a\r\n{h}Content-Length: 0\r\n\r\n");
    let length = inner.len();
    for (what, framing, body) in [
        (
            "blank before the colon",
            "Transfer-Encoding : chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        (
            "tab before the value",
            format!("Content-Length: {length}\r\nTransfer-Encoding:\tchunked\r\n"),
            "0\r\n\r\n",
        ),
        (
            "vertical tab",
            "Transfer-Encoding:\u{b}chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        (
            "a coding before chunked",
            "Transfer-Encoding: gzip, chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        (
            "chunked in quotes",
            "Transfer-Encoding: \"chunked\"\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        (
            "a folded coding",
            "Transfer-Encoding:\r\n chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        (
            "length with a sign",
            format!("Content-Length: +{length}\r\n"),
            "",
        ),
        (
            "length in hexadecimal",
            "Content-Length: 0x10\r\n".to_owned(),
            "",
        ),
        (
            "a list of lengths",
            format!("Content-Length: 0, {length}\r\n"),
            "",
        ),
        (
            "length beyond 64 bits",
            "Content-Length: 99999999999999999999999\r\n".to_owned(),
            "",
        ),
        (
            "length and chunks with an extension",
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            "0;a=b\r\n\r\n",
        ),
        (
            "bare line feeds in a chunk",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "2\n{}\n0\n\n",
        ),
        (
            "chunk size with a sign",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "+2\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "chunk size with a prefix",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "0x2\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "chunk size beyond 64 bits",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "10000000000000002\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "a chunk longer than it says",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "2\r\n{}xx\r\n0\r\n\r\n",
        ),
        (
            "a carriage return alone",
            "X: y\rTransfer-Encoding: chunked\r\n".to_owned(),
            "0\r\n\r\n",
        ),
    ] {
        let bytes = request(
            "POST /v1/nothing HTTP/1.1",
            &framing,
            &format!("{body}{inner}"),
        );
        let codes = codes(&world, &agent, &bytes);
        // 404: it was read as one request. What was hidden behind it is rejected, or not even read.
        assert!(
            matches!(codes[..], [400 | 404 | 413] | [404, 400]),
            "{what}: {codes:?}"
        );
        let bytes = request(
            "POST /v1/deploy HTTP/1.1",
            &framing,
            &format!("{body}{inner}"),
        );
        let codes = self::codes(&world, &agent, &bytes);
        assert!(
            matches!(codes[..], [400 | 413] | [400, 400]),
            "{what}: {codes:?}"
        );
    }
}

#[test]
fn bare_line_feeds_and_chunk_extras_hide_no_second_request() {
    let (world, agent) = world();
    let h = headers();
    let bare = format!(
        "GET /v1/status HTTP/1.1\nHost: a\nConnection: close\n{}\n",
        h.replace("\r\n", "\n")
    );
    let codes_of_bare = codes(&world, &agent, &bare);
    assert!(
        matches!(codes_of_bare[..], [200 | 400]),
        "{codes_of_bare:?}"
    );
    // Chunks with extensions and trailers are HTTP, and say nothing.
    for body in [
        "2;a=b;c=\"d\"\r\n{}\r\n0\r\n\r\n",
        "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        "002\r\n{}\r\n000\r\n\r\n",
        "2\r\n{}\r\n0\r\nX-Trailer: y\r\nCF-Access-Client-Id: other\r\n\r\n",
    ] {
        let bytes = request(
            "POST /v1/deploy HTTP/1.1",
            "Transfer-Encoding: chunked\r\n",
            body,
        );
        let codes = codes(&world, &agent, &bytes);
        assert_eq!(codes, [400], "{body:?}");
    }
}

#[test]
fn older_and_odd_forms_of_a_request_are_answered() {
    let (world, agent) = world();
    let h = headers();
    for (what, bytes, expected) in [
        (
            "HTTP/1.0",
            format!("GET /v1/status HTTP/1.0\r\n{h}\r\n"),
            200,
        ),
        (
            "no host",
            format!("GET /v1/status HTTP/1.1\r\nConnection: close\r\n{h}\r\n"),
            400,
        ),
        (
            "absolute form",
            request("GET http://other.example/v1/status HTTP/1.1", "", ""),
            200,
        ),
        (
            "a query",
            request("GET /v1/status?x=%zz&container=other HTTP/1.1", "", ""),
            200,
        ),
        (
            "a body on GET",
            request("GET /v1/status HTTP/1.1", "Content-Length: 2\r\n", "{}"),
            200,
        ),
        (
            "blank lines before",
            format!("\r\n\r\n{}", request("GET /v1/status HTTP/1.1", "", "")),
            200,
        ),
        (
            "chunks in HTTP/1.0",
            format!("POST /v1/deploy HTTP/1.0\r\n{h}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (
            "no length",
            request("POST /v1/deploy HTTP/1.1", "", ""),
            400,
        ),
        (
            "expectation",
            request(
                "POST /v1/deploy HTTP/1.1",
                "Expect: 200-ok\r\nContent-Length: 2\r\n",
                "{}",
            ),
            400,
        ),
    ] {
        let codes = codes(&world, &agent, &bytes);
        assert_eq!(codes, [expected], "{what}");
    }
}

#[test]
fn a_client_that_waits_for_100_continue_is_told_to_go_on_and_then_answered() {
    let (_world, agent) = world();
    let h = headers();
    let head = format!(
        "POST /v1/deploy HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n{h}Content-Length: 2\r\n\r\n"
    );
    let came = String::from_utf8(exchange_raw(agent.port, format!("{head}{{}}").as_bytes()))
        .expect("text");
    let rest = came
        .strip_prefix("HTTP/1.1 100 Continue\r\n\r\n")
        .expect("told to go on");
    let answer = Answer::parse(rest.as_bytes());
    assert_eq!(answer.status, 400);
    answer.reason();
    let log = agent.log();
    assert!(!log.contains("panicked"), "{log}");
}
