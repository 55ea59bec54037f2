//! Pipelined operations, and clients that leave in every phase of a request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::json;

use super::{all_are_back, answers, headers, world};
use crate::harness::{Agent, World, exchange_raw, until};

fn deploy_bytes(image: &str, connection: &str) -> String {
    let body = json!({ "image": image }).to_string();
    let h = headers();
    format!(
        "POST /v1/deploy HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n{h}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn stop_bytes(connection: &str) -> String {
    let h = headers();
    format!(
        "POST /v1/stop HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n{h}Content-Length: 0\r\n\r\n"
    )
}

/// The operations of the trail that have ended, by kind.
fn operations(world: &World) -> Vec<String> {
    let ended = world.events("operation_ended");
    let started = world.events("operation_started");
    let has_ended = |record: &serde_json::Value| {
        let mut ids = ended.iter().map(|end| &end["operation"]);
        ids.any(|id| *id == record["operation"])
    };
    started
        .iter()
        .inspect(|record| assert!(has_ended(record), "{record}"))
        .map(|record| record["kind"].as_str().expect("a kind").to_owned())
        .collect()
}

#[test]
fn of_pipelined_operations_the_first_is_carried_out_and_none_behind_it() {
    let (world, agent) = world();
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    let bytes = [
        deploy_bytes(&world.image("1.0.0"), "keep-alive"),
        stop_bytes("keep-alive"),
        deploy_bytes(&world.image("2.0.0"), "keep-alive"),
        stop_bytes("close"),
    ];
    let came = exchange_raw(agent.port, bytes.concat().as_bytes());
    let answers = answers(&came);
    let codes: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(codes, [200, 400, 400, 400]);
    assert_eq!(answers[0].json()["status"], "deployed");
    for answer in &answers[1..] {
        assert!(answer.reason().contains("one request a connection"));
    }
    let ran = operations(&world);
    assert_eq!(ran, ["deploy"]);
    assert_eq!(agent.status()["image"], world.image("1.0.0"));
}

#[test]
fn half_a_head_behind_an_operation_does_not_hold_the_connection() {
    let (world, agent) = world();
    world.push("1.0.0", &["run"]);
    let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("set");
    let deploy = deploy_bytes(&world.image("1.0.0"), "keep-alive");
    stream.write_all(deploy.as_bytes()).expect("sent");
    until("it is under way", Duration::from_secs(10), || {
        !world.events("operation_started").is_empty()
    });
    stream.write_all(b"GET /v1/sta").expect("sent");
    let mut came = Vec::new();
    stream.read_to_end(&mut came).expect("the connection ends");
    assert_eq!(answers(&came)[0].status, 200);
}

/// Ends the connection with a reset instead of an orderly end.
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("set");
    drop(stream);
}

#[test]
fn clients_that_leave_in_any_phase_leave_nothing_behind() {
    let (world, agent) = world();
    world.push("1.0.0", &["run"]);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let id = world.id();
    let whole = deploy_bytes(&world.image("no-such-tag"), "keep-alive");
    let head = whole.find("\r\n\r\n").expect("a head") + 4;
    agent.status();
    let before = agent.descriptors();
    for orderly in [true, false] {
        for phase in [
            0,
            1,
            10,
            head - 4,
            head - 1,
            head,
            head + 1,
            whole.len() - 1,
        ] {
            for _ in 0..10 {
                let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
                stream.write_all(&whole.as_bytes()[..phase]).expect("sent");
                if orderly {
                    drop(stream);
                } else {
                    reset(stream);
                }
            }
        }
    }
    assert_eq!(agent.status_answer().status, 200);
    all_are_back(&agent, before, Duration::from_secs(15));
    assert_eq!(
        operations(&world).len(),
        1,
        "no part of a request starts an operation"
    );
    left_with_a_whole_request(&world, &agent, &whole);
    all_are_back(&agent, before, Duration::from_secs(15));
    assert_eq!(world.id(), id);
    assert!(!agent.log().contains("panicked"));
}

/// Whoever leaves behind a whole request may have started it: then it is recorded to its end, or as abandoned.
fn left_with_a_whole_request(world: &World, agent: &Agent, whole: &str) {
    for orderly in [true, false] {
        let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
        stream.write_all(whole.as_bytes()).expect("sent");
        if orderly {
            drop(stream);
        } else {
            reset(stream);
        }
    }
    // Behind both in the queue.
    assert_eq!(agent.deploy(&world.image("no-such-tag")).status, 502);
    // One of them may have been read behind that deploy; it too is recorded to its end.
    until("all of it has ended", Duration::from_secs(20), || {
        let ended = world.events("operation_ended").len();
        world.events("operation_started").len() == ended
    });
}

#[test]
fn a_client_that_half_closes_behind_its_request_is_answered() {
    let (_world, agent) = world();
    let h = headers();
    let one = format!("GET /v1/status HTTP/1.1\r\nHost: a\r\n{h}\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    stream.write_all(one.as_bytes()).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half closed");
    let mut came = Vec::new();
    stream
        .read_to_end(&mut came)
        .expect("and the connection ends");
    assert_eq!(answers(&came)[0].status, 200);
}

/// Closing one side is how most clients leave, so this one is taken for gone.
#[test]
fn an_operation_whose_client_half_closes_behind_it_is_carried_out_or_recorded_as_abandoned() {
    let (world, agent) = world();
    world.push("1.0.0", &["run"]);
    let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
    let wait = Some(Duration::from_secs(20));
    stream.set_read_timeout(wait).expect("set");
    let bytes = deploy_bytes(&world.image("1.0.0"), "keep-alive");
    stream.write_all(bytes.as_bytes()).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half closed");
    let mut came = Vec::new();
    stream.read_to_end(&mut came).expect("the connection ends");
    // The record of what was never started may come behind the end of the connection.
    until("it has ended", Duration::from_secs(10), || {
        !world.events("operation_ended").is_empty()
    });
    let abandoned = world.last_outcome()["outcome"] == "abandoned";
    assert_eq!(world.count(), usize::from(!abandoned));
    for answer in answers(&came) {
        answer.json();
    }
}

#[test]
fn a_reader_that_takes_no_answer_does_not_stop_the_others() {
    let (_world, agent) = world();
    let h = headers();
    let one = format!("GET /v1/status HTTP/1.1\r\nHost: a\r\n{h}\r\n");
    agent.status();
    let (open, before) = (agent.descriptors(), agent.memory_kib());
    // Requests without end, answers that nobody reads.
    let deaf: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
            stream
                .set_write_timeout(Some(Duration::from_millis(300)))
                .expect("set");
            let many = one.repeat(200);
            // Until both buffers are full.
            for _ in 0..400 {
                if stream.write_all(many.as_bytes()).is_err() {
                    break;
                }
            }
            stream
        })
        .collect();
    assert_eq!(agent.status_answer().status, 200);
    let grown = agent.memory_kib().saturating_sub(before);
    println!("{grown} KiB for {} clients that read nothing", deaf.len());
    // The framework keeps 128 requests a worker for use again, each of which may hold a read buffer of 128 KiB.
    assert!(grown < 64 * 1024, "{grown} KiB");
    // The kernel ends what is not taken within half a minute.
    all_are_back(&agent, open, Duration::from_secs(120));
    drop(deaf);
    assert_eq!(agent.status_answer().status, 200);
}
