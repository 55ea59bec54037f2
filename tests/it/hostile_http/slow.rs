//! Hundreds of clients that send a byte at a time: each is answered within its bound and its place is free again,
//! and status goes on meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{all_are_back, answers, headers, is_bare, world};
use crate::harness::Agent;

/// Of the head.
const HEAD: Duration = Duration::from_secs(5);
/// Of the body.
const BODY: Duration = Duration::from_secs(10);
/// What a busy machine adds.
const SLACK: Duration = Duration::from_secs(8);
const CLIENTS: usize = 300;

/// Sends `begun` on many connections, then `drip` a byte at a time on each, until the agent ends them.
/// Gives back what each was answered.
fn dripped(agent: &Agent, begun: &str, drip: &str, bound: Duration) -> Vec<Vec<u8>> {
    let start = Instant::now();
    let mut clients: Vec<(TcpStream, Vec<u8>, bool)> = (0..CLIENTS)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
            stream.write_all(begun.as_bytes()).expect("sent");
            stream.set_nonblocking(true).expect("set");
            (stream, Vec::new(), false)
        })
        .collect();
    let mut drops = drip.bytes().cycle();
    while clients.iter().any(|(_, _, ended)| !ended) {
        assert!(
            start.elapsed() < bound + SLACK,
            "a client is still connected"
        );
        let byte = drops.next().expect("without end");
        for (stream, came, ended) in clients.iter_mut().filter(|(_, _, ended)| !ended) {
            // What is sent behind the answer may be answer.
            stream.write_all(&[byte]).ok();
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(0) => *ended = true,
                Ok(length) => came.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // The answer that was read before a reset counts.
                Err(_) => *ended = true,
            }
        }
        let asked = Instant::now();
        assert_eq!(agent.status_answer().status, 200);
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "status took {:?}",
            asked.elapsed()
        );
        std::thread::sleep(Duration::from_millis(150));
    }
    assert!(start.elapsed() > bound / 2, "they were given time");
    clients.into_iter().map(|(_, came, _)| came).collect()
}

fn each_ends(begun: &str, drip: &str, bound: Duration, codes: &[u16]) {
    let (world, agent) = world();
    agent.status();
    let (open, memory) = (agent.descriptors(), agent.memory_kib());
    let came = dripped(&agent, begun, drip, bound);
    let grown = agent.memory_kib().saturating_sub(memory);
    assert!(grown < 32 * 1024, "{grown} KiB for {CLIENTS} clients");
    let answered = came.iter().filter(|came| !came.is_empty()).count();
    assert_eq!(answered, CLIENTS, "each is answered");
    for came in &came {
        let answers = answers(came);
        let said: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(said, codes);
        for answer in answers.iter().filter(|answer| !is_bare(answer)) {
            if answer.status != 200 {
                answer.reason();
            }
        }
    }
    all_are_back(&agent, open, Duration::from_secs(15));
    assert!(world.events("operation_started").is_empty());
    assert!(!agent.log().contains("panicked"));
}

#[test]
fn heads_that_drip_are_answered_408() {
    each_ends("GET /v1/status HTTP/1.1\r\nX: ", "y", HEAD, &[408]);
}

#[test]
fn a_second_head_that_drips_does_not_hold_its_connection() {
    let begun = format!(
        "GET /v1/status HTTP/1.1\r\nHost: a\r\n{}\r\nGET /v1/status HTTP/1.1\r\nX: ",
        headers()
    );
    each_ends(&begun, "y", Duration::ZERO, &[200]);
}

#[test]
fn bodies_that_drip_are_answered_408() {
    let begun = format!(
        "POST /v1/deploy HTTP/1.1\r\nHost: a\r\n{}Content-Length: 9000\r\n\r\n",
        headers()
    );
    each_ends(&begun, " ", BODY, &[408]);
}

#[test]
fn chunks_that_drip_are_answered_408() {
    let begun = format!(
        "POST /v1/stop HTTP/1.1\r\nHost: a\r\n{}Transfer-Encoding: chunked\r\n\r\n",
        headers()
    );
    each_ends(&begun, "1\r\n \r\n", BODY, &[408]);
}

#[test]
fn a_body_without_end_is_refused_and_its_connection_ended() {
    let (world, agent) = world();
    agent.status();
    let (open, memory) = (agent.descriptors(), agent.memory_kib());
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    for (path, framing, piece) in [
        ("/v1/deploy", "Transfer-Encoding: chunked", chunk.as_str()),
        ("/v1/stop", "Transfer-Encoding: chunked", chunk.as_str()),
        ("/v1/nothing", "Transfer-Encoding: chunked", chunk.as_str()),
        ("/v1/deploy", "Content-Length: 99999999999", chunk.as_str()),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
        stream
            .set_write_timeout(Some(Duration::from_secs(1)))
            .expect("set");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\n{}{framing}\r\n\r\n",
            headers()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let begun = Instant::now();
        let mut sent = 0_u64;
        while stream.write_all(piece.as_bytes()).is_ok() {
            sent += piece.len() as u64;
            assert!(
                begun.elapsed() < BODY + SLACK,
                "{path} {framing}: still read after {sent} bytes"
            );
        }
        assert_eq!(agent.status_answer().status, 200);
    }
    let grown = agent.memory_kib().saturating_sub(memory);
    assert!(grown < 32 * 1024, "{grown} KiB");
    all_are_back(&agent, open, Duration::from_secs(15));
    assert!(world.events("operation_started").is_empty());
}
