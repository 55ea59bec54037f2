//! Thousands of connections that ask for nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{all_are_back, answers, world};
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
    let connections = idle(&agent, IDLE);
    until("all are taken", Duration::from_secs(10), || {
        agent.descriptors() >= open + IDLE
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
        // It is refused before all of it is sent.
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
            answer.reason();
        }
    }
    drop(connections);
    all_are_back(&agent, open, Duration::from_secs(15));
}

/// A process on the host may open connections until the limit of open files is reached: an operation that is under way
/// must not run out of them between stop and start.
#[test]
fn connections_leave_descriptors_for_the_operation_under_a_low_limit() {
    let world = World::new(Kind::Fake);
    let mut prlimit = Command::new("/usr/bin/prlimit");
    prlimit.args(["--nofile=256:256", env!("CARGO_BIN_EXE_deploy-agent")]);
    let (env_file, log) = (world.env_file(), world.path("agent.log"));
    let agent = Agent::launch_by(prlimit, &env_file, world.port, &log, &[]).listening();
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
