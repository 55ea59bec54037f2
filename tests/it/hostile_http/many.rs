//! Thousands of connections that ask for nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{all_are_back, answers, is_bare, world};
use crate::harness::{Agent, Kind, World, until};
use dreichor_test_support::images::ImageSpec;
use dreichor_test_support::registry::{Fault, What};

const IDLE: usize = 4000;

/// The test holds one end of each; the agent raises its own limit.
fn raise_own_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("raised to what is allowed");
    assert!(
        maximum.is_none_or(|most| most > 4 * IDLE as u64),
        "the limit of open files is too low: {maximum:?}"
    );
}

fn idle(agent: &Agent, count: usize) -> Vec<TcpStream> {
    (0..count)
        .map(|_| TcpStream::connect(("127.0.0.1", agent.port)).expect("connected"))
        .collect()
}

#[test]
fn four_thousand_idle_connections_cost_little_and_stop_nobody() {
    raise_own_limit();
    let (world, agent) = world();
    world.push("1.0.0", &["run"]);
    agent.status();
    let (open, memory) = (agent.descriptors(), agent.memory_kib());
    let mut connections = idle(&agent, IDLE);
    // Each is let go after its five seconds: on a busy machine the first may be gone before the last has come.
    until("all are taken at once", Duration::from_secs(60), || {
        let missing = (open + IDLE).saturating_sub(agent.descriptors());
        connections.extend(idle(&agent, missing));
        missing == 0
    });
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(agent.status_answer().status, 200);
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "{:?}",
            asked.elapsed()
        );
    }
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let grown = agent.memory_kib().saturating_sub(memory);
    println!("{} KiB for {IDLE} connections", grown);
    assert!(grown < 100 * 1024, "{grown} KiB");
    drop(connections);
    all_are_back(&agent, open, Duration::from_secs(20));
    assert_eq!(agent.status_answer().status, 200);
    assert!(!agent.log().contains("panicked"));
}

#[test]
fn heads_of_megabytes_are_refused_and_cost_little() {
    let (_world, agent) = world();
    agent.status();
    let (open, memory) = (agent.descriptors(), agent.memory_kib());
    let lines = "X-Filler: y\r\n".repeat(100_000);
    let one = format!("X: {}", "y".repeat(lines.len()));
    let mut connections = idle(&agent, 60);
    for (number, stream) in connections.iter_mut().enumerate() {
        let filler = if number % 2 == 0 { &lines } else { &one };
        let head = format!("GET /v1/status HTTP/1.1\r\n{filler}");
        // It is rejected before all of it is sent.
        stream.write_all(head.as_bytes()).ok();
    }
    assert_eq!(agent.status_answer().status, 200);
    let grown = agent.memory_kib().saturating_sub(memory);
    println!("{grown} KiB");
    assert!(grown < 32 * 1024, "{grown} KiB");
    for stream in &mut connections {
        let wait = Some(Duration::from_secs(15));
        stream.set_read_timeout(wait).expect("set");
        let mut came = Vec::new();
        // What was read before a reset counts, where there is anything.
        stream.read_to_end(&mut came).ok();
        for answer in answers(&came) {
            assert!(matches!(answer.status, 400 | 431), "{}", answer.head);
            assert!(is_bare(&answer), "it was never read as a request");
        }
    }
    drop(connections);
    all_are_back(&agent, open, Duration::from_secs(15));
}

/// An agent with as many descriptors as its unit gives it.
fn limited(world: &World, descriptors: usize) -> Agent {
    let mut prlimit = Command::new("/usr/bin/prlimit");
    prlimit.arg(format!("--nofile={descriptors}:{descriptors}"));
    prlimit.arg(env!("CARGO_BIN_EXE_deploy-agent"));
    let (env_file, log) = (world.env_file(), world.path("agent.log"));
    Agent::launch_by(prlimit, &env_file, world.port, &log, &[]).listening()
}

/// Any process of the host can connect. What it sends without the token, a part of a head, nothing, or whole requests
/// whose answers it does not read, must not keep the caller with the token waiting.
#[test]
fn four_thousand_connections_without_a_token_leave_one_with_it_its_prompt_answer() {
    raise_own_limit();
    let world = World::new(Kind::Fake);
    world.push("1.0.0", &["run"]);
    let agent = limited(&world, 8192);
    agent.status();
    let (open, memory) = (agent.descriptors(), agent.memory_kib());
    let sent: [&[u8]; 4] = [
        b"",
        b"GET /v1/status HTTP/1.1\r\nHost: a\r\nX: ",
        b"GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /v1/deploy HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n{",
    ];
    let connect = |sent: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
        stream.write_all(sent).expect("sent");
        stream
    };
    let connections = std::thread::scope(|scope| {
        let of_kind = |sent| {
            scope.spawn(move || {
                let connections = (0..IDLE / 4).map(|_| connect(sent));
                connections.collect::<Vec<TcpStream>>()
            })
        };
        let kinds = sent.map(of_kind);
        kinds.map(|connections| connections.join().expect("connected"))
    });
    let mut slowest = Duration::ZERO;
    // As long as the agent waits for their heads, and longer.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(7) {
        let asked = Instant::now();
        assert_eq!(agent.status_answer().status, 200);
        slowest = slowest.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let grown = agent.memory_kib().saturating_sub(memory);
    println!("slowest status {slowest:?}; {grown} KiB more");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(grown < 100 * 1024, "{grown} KiB");
    // Nobody closed them, and yet nothing is held.
    all_are_back(&agent, open, Duration::from_secs(15));
    drop(connections);
}

/// Lines, by what a request is that makes them.
#[test]
fn floods_of_broken_and_of_rejected_requests_leave_a_few_lines_of_log() {
    const FLOOD: usize = 3000;
    let (world, agent) = world();
    agent.status();
    let (open, memory) = (agent.descriptors(), agent.memory_kib());
    for (what, sent) in [
        ("broken", "BROKEN\r\n\r\n"),
        ("left", "GET /v1/sta"),
        ("denied", "GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n"),
        (
            "ended early",
            "POST /v1/stop HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
        ),
    ] {
        let before = agent.log().lines().count();
        for _ in 0..FLOOD {
            let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
            stream.write_all(sent.as_bytes()).ok();
            if what == "broken" || what == "denied" {
                stream.read_to_end(&mut Vec::new()).ok();
            }
        }
        assert_eq!(agent.status_answer().status, 200);
        let lines = agent.log().lines().count() - before;
        println!("{lines} lines of log for {FLOOD} requests: {what}");
        assert!(lines <= 2, "{what}: {}", agent.log());
    }
    let grown = agent.memory_kib().saturating_sub(memory);
    assert!(grown < 32 * 1024, "{grown} KiB");
    // The trail's own bound: so many at once, then one a second.
    let recorded = world.events("rejected").len();
    assert!((1..200).contains(&recorded), "{recorded}");
    all_are_back(&agent, open, Duration::from_secs(15));
}

/// A process on the host may open connections until the limit of open files is reached: an operation that is under way
/// must not run out of them between stop and start.
#[test]
fn connections_leave_descriptors_for_the_operation_under_a_low_limit() {
    let world = World::new(Kind::Fake);
    let agent = limited(&world, 256);
    world.push_spec("1.0.0", ImageSpec::mode(&["run"]).extra_bytes(200_000));
    let image = world.image("1.0.0");
    std::thread::scope(|scope| {
        world.registry.fault(What::Blob, Fault::Drip(8 * 1024));
        let deploy = scope.spawn(|| agent.deploy(&image));
        until("the deploy is under way", Duration::from_secs(10), || {
            !world.events("step_started").is_empty()
        });
        let connections = idle(&agent, 400);
        let answer = deploy.join().expect("answered");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(agent.descriptors() < 256);
        drop(connections);
    });
    assert_eq!(agent.status_answer().status, 200);
    assert!(
        !agent.log().contains("Too many open files"),
        "{}",
        agent.log()
    );
}
