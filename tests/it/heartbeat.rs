//! The watchdog is fed as often as it asks for, by an idle agent and by a busy one, and not at all where there is none.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use dreichor_test_support::fake_engine::Verb;

use crate::harness::notify::{reporting, told};
use crate::harness::{Kind, World};

/// As systemd sets it, in microseconds.
const WATCHDOG: (&str, &str) = ("WATCHDOG_USEC", "2000000");
/// systemd asks for a beat within half of it.
const HALF: Duration = Duration::from_secs(1);
const WATCHED_FOR: Duration = Duration::from_secs(4);

/// The longest time without a beat; more than the whole time if there was none.
fn longest_silence(socket: &UnixDatagram) -> Duration {
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .expect("set");
    let begun = Instant::now();
    let (mut last, mut longest, mut beats) = (begun, Duration::ZERO, 0);
    while begun.elapsed() < WATCHED_FOR {
        let mut text = [0; 512];
        let length = socket.recv(&mut text).unwrap_or_default();
        if String::from_utf8_lossy(&text[..length]).contains("WATCHDOG=1") {
            longest = longest.max(last.elapsed());
            last = Instant::now();
            beats += 1;
        }
    }
    match beats {
        0 => Duration::MAX,
        _ => longest.max(last.elapsed()),
    }
}

#[test]
fn a_watched_agent_beats_within_half_of_the_watchdogs_patience_idle_and_busy() {
    let world = World::new(Kind::Fake);
    world.push("1.0.0", &["run"]);
    let (agent, socket) = reporting(&world, &[WATCHDOG]);
    let idle = longest_silence(&socket);
    assert!(idle < HALF, "idle: {idle:?} without a beat");
    let fake = world.fake.as_ref().expect("a fake engine");
    let pulling = fake.controls().gate(Verb::ImagePull);
    std::thread::scope(|scope| {
        let deployed = scope.spawn(|| agent.deploy(&world.image("1.0.0")));
        assert!(pulling.reached_within(Duration::from_secs(15)));
        let busy = longest_silence(&socket);
        pulling.release();
        assert_eq!(deployed.join().expect("answered").status, 200);
        assert!(busy < HALF, "busy: {busy:?} without a beat");
    });
}

#[test]
fn an_agent_that_nobody_watches_does_not_beat() {
    let world = World::new(Kind::Fake);
    let (_agent, socket) = reporting(&world, &[]);
    assert_eq!(longest_silence(&socket), Duration::MAX);
}

#[test]
fn the_status_line_tells_what_runs_since_when_and_how_the_last_operation_ended() {
    let mut world = World::new(Kind::Fake);
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.push("1.0.0", &["run"]);
    let (agent, socket) = reporting(&world, &[]);
    told(&socket, |line| {
        line.starts_with("no runtime runs; no operation yet")
    });
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let line = told(&socket, |line| line.starts_with("1.0.0 up since 20"));
    assert!(line.contains("Z; deploy 1.0.0 succeeded at 20"), "{line}");
    assert_eq!(agent.deploy(&world.image("missing")).status, 502);
    told(&socket, |line| {
        line.starts_with("1.0.0 up since 20") && line.contains("; deploy missing failed at 20")
    });
    let (code, said) = world.operator("freeze", &["--reason", "x", "--until", "1h"]);
    assert_eq!(code, 0, "{said}");
    told(&socket, |line| line.contains("; frozen until 20"));
    assert_eq!(agent.stop().status, 200);
    told(&socket, |line| {
        line.starts_with("no runtime runs since 20") && line.contains("; stop succeeded at 20")
    });
}

#[test]
fn the_status_line_tells_whether_signatures_are_demanded() {
    for policy in ["warn", "enforce"] {
        let mut world = World::new(Kind::Fake);
        world.set("SIGNATURE_POLICY", policy);
        let key = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fuzz/targets/signature.pub"
        );
        world.set("SIGNATURE_KEYS", key);
        let (_agent, socket) = reporting(&world, &[]);
        let end = format!("; signatures: {policy}");
        told(&socket, |line| line.contains(&end));
    }
}
