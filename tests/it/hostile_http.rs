//! What no pipeline sends: every HTTP request is answered in JSON all the same, status goes on, and memory stays bounded.
//!
//! What is no HTTP request (a broken request line, half a head, a head without end) gets the server's own answer, which
//! is bare: a status, no body.

mod many;
mod order;
mod shapes;
mod slow;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{
    Agent, Answer, Kind, World, contract_headers, exchange_raw, request_bytes, until,
};

fn world() -> (World, Agent) {
    let world = World::new(Kind::Fake);
    // Quiet: thousands of requests.
    let agent = Agent::start(&world.env_file(), world.port, &world.path("agent.log"), &[]);
    (world, agent)
}

fn headers() -> String {
    contract_headers()
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect()
}

/// Bare is only what the server says to bytes that are no HTTP request, or not yet one.
fn is_bare(answer: &Answer) -> bool {
    answer.body.is_empty() && matches!(answer.status, 400 | 408 | 431)
}

/// Every answer in what came back is whole and framed, and each to an HTTP request is JSON that no cache keeps.
fn answers(bytes: &[u8]) -> Vec<Answer> {
    let all = Answer::all(bytes).expect("whole answers and nothing else");
    for answer in all.iter().filter(|answer| !is_bare(answer)) {
        assert!(answer.header("content-length").is_some(), "{}", answer.head);
        answer.json();
        let cached = answer.header("cache-control");
        assert_eq!(cached, Some("no-store"), "{}", answer.head);
    }
    all
}

#[test]
fn what_is_no_http_is_refused_and_stops_nobody() {
    let (_world, agent) = world();
    let h = headers();
    for (what, bytes) in [
        ("garbage", "\x16\x03\x01\x02\r\n\r\n".to_owned()),
        ("no version", format!("GET /v1/status\r\n{h}\r\n")),
        (
            "another version",
            format!("GET /v1/status HTTP/9.9\r\n{h}\r\n"),
        ),
        (
            "blank in the path",
            format!("GET /v1/status x HTTP/1.1\r\n{h}\r\n"),
        ),
        (
            "blank before the colon",
            format!("GET /v1/status HTTP/1.1\r\nHost : a\r\n{h}\r\n"),
        ),
        (
            "line folding",
            format!("GET /v1/status HTTP/1.1\r\nA: b\r\n c\r\n{h}\r\n"),
        ),
        (
            "NUL in a header",
            format!("GET /v1/status HTTP/1.1\r\nA: b\0c\r\n{h}\r\n"),
        ),
        (
            "length that is none",
            format!("POST /v1/stop HTTP/1.1\r\nContent-Length: ten\r\n{h}\r\n"),
        ),
        (
            "negative length",
            format!("POST /v1/stop HTTP/1.1\r\nContent-Length: -1\r\n{h}\r\n"),
        ),
        (
            "two lengths",
            format!(
                "POST /v1/stop HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n{h}\r\n{{}}"
            ),
        ),
        (
            "length and chunks",
            format!(
                "POST /v1/stop HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n{h}\r\n0\r\n\r\n"
            ),
        ),
        (
            "a coding that is none",
            format!("POST /v1/stop HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n{h}\r\n0\r\n\r\n"),
        ),
        (
            "chunked twice",
            format!(
                "POST /v1/stop HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n{h}\r\n0\r\n\r\n"
            ),
        ),
        (
            "chunk size that is none",
            format!("POST /v1/stop HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{h}\r\nzz\r\n\r\n"),
        ),
        (
            "200 headers",
            format!(
                "GET /v1/status HTTP/1.1\r\n{}{h}\r\n",
                "X: y\r\n".repeat(200)
            ),
        ),
        (
            "a huge header",
            format!(
                "GET /v1/status HTTP/1.1\r\nX: {}\r\n{h}\r\n",
                "y".repeat(300_000)
            ),
        ),
    ] {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        // A refusal may come before everything was sent.
        stream.write_all(bytes.as_bytes()).ok();
        stream.shutdown(std::net::Shutdown::Write).ok();
        let mut came = Vec::new();
        stream.read_to_end(&mut came).ok();
        for answer in answers(&came) {
            assert!(
                (400..500).contains(&answer.status),
                "{what}: {}",
                answer.head
            );
            if !is_bare(&answer) {
                answer.reason();
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(25), "{what}");
        assert_eq!(
            agent.status_answer().status,
            200,
            "status goes on after: {what}"
        );
    }
}

#[test]
fn a_smuggled_request_is_not_carried_out() {
    let (world, agent) = world();
    let h = headers();
    let inner = format!("POST /v1/stop HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{h}\r\n");
    for bytes in [
        format!(
            "GET /v1/status HTTP/1.1\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n{h}\r\n0\r\n\r\n{inner}",
            inner.len() + 5
        ),
        format!(
            "POST /v1/stop HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: {}\r\n{h}\r\n{inner}",
            inner.len()
        ),
        format!(
            "POST /v1/deploy HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n{h}\r\n{inner}"
        ),
    ] {
        exchange_raw_briefly(agent.port, bytes.as_bytes());
    }
    std::thread::sleep(Duration::from_millis(300));
    let started = world.events("operation_started").len();
    assert_eq!(started, 0, "nothing of it was carried out");
}

/// Sends, and reads for a second.
fn exchange_raw_briefly(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("a timeout");
    stream.write_all(bytes).ok();
    let mut came = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        came.extend_from_slice(&buffer[..length]);
    }
    came
}

#[test]
fn a_connection_has_one_request_and_what_is_sent_behind_it_is_rejected() {
    let (_world, agent) = world();
    let h = headers();
    let one = format!("GET /v1/status HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n{h}\r\n");
    let came = exchange_raw(agent.port, one.repeat(21).as_bytes());
    let answers = answers(&came);
    assert_eq!(answers[0].status, 200);
    assert_eq!(answers[0].header("connection"), Some("close"));
    assert_eq!(answers.len(), 21);
    for answer in &answers[1..] {
        assert_eq!(answer.status, 400);
        assert!(answer.reason().contains("one request a connection"));
    }
    // A broken one behind good ones: the first has its answer, and so has the broken one.
    let came = exchange_raw(agent.port, format!("{one}{one}BROKEN\r\n\r\n").as_bytes());
    let codes: Vec<u16> = self::answers(&came)
        .iter()
        .map(|answer| answer.status)
        .collect();
    assert_eq!(codes, [200, 400, 400]);
}

#[test]
fn half_a_head_is_given_up_with_the_servers_bare_408() {
    let (_world, agent) = world();
    let begun = Instant::now();
    let came = exchange_raw(agent.port, b"GET /v1/status HTTP/1.1\r\nHost: a\r\n");
    let answers = answers(&came);
    assert_eq!(answers[0].status, 408);
    assert!(begun.elapsed() < Duration::from_secs(15));
}

/// Waits until the agent has no more open than it had, and what its own connection to the engine may take.
fn all_are_back(agent: &Agent, before: usize, within: Duration) {
    until("every descriptor is back", within, || {
        agent.descriptors() <= before + 3
    });
}

#[test]
fn a_thousand_idle_connections_and_endless_bodies_stop_nobody() {
    let (_world, agent) = world();
    let before = agent.memory_kib();
    let idle: Vec<TcpStream> = (0..1000)
        .map(|_| TcpStream::connect(("127.0.0.1", agent.port)).expect("connected"))
        .collect();
    let begun = Instant::now();
    let mut endless: Vec<TcpStream> = Vec::new();
    for _ in 0..50 {
        let mut bytes = request_bytes("POST", "/v1/deploy", &contract_headers(), "");
        let text = String::from_utf8(bytes)
            .expect("text")
            .replace("Content-Length: 0", "Content-Length: 999999999");
        bytes = text.into_bytes();
        bytes.extend_from_slice(&[b' '; 8192]);
        let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
        stream.write_all(&bytes).expect("sent");
        endless.push(stream);
    }
    for _ in 0..50 {
        assert_eq!(agent.status_answer().status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    let grown = agent.memory_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB for a thousand connections");
    drop((idle, endless));
    assert_eq!(agent.status_answer().status, 200);
}
