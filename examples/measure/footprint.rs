//! What the agent takes of the host: time to start, memory, wake-ups, its file.

use std::fs;
use std::time::{Duration, Instant};

use crate::Effort;
use crate::figures::{Goal, Report, Sample};
use crate::host::Host;
use crate::process;
use crate::server::{Server, status_request};

const MOST_RESIDENT: f64 = 12.0;
const CONNECTIONS: usize = 32;
/// For what a start leaves to do.
const SETTLE: Duration = Duration::from_secs(2);

pub fn measure(host: &Host, effort: Effort, report: &mut Report) {
    let mut ready = Sample::default();
    for _ in 0..effort.starts {
        ready.push_ms(host.agent("state").ready_after);
    }
    report.figure("start to the first status", &ready.shown("ms"));
    let bytes = fs::metadata(&host.agent_binary).expect("it was run").len();
    report.figure(
        "binary",
        &format!("{:.2} MiB", bytes as f64 / 1024.0 / 1024.0),
    );

    let agent = host.agent("state");
    let pid = agent.pid();
    std::thread::sleep(SETTLE);
    let threads = format!("{} threads", process::threads(pid));
    let resident = process::resident(pid);
    report.judged(
        "resident MiB, idle",
        resident,
        Goal::AtMost(MOST_RESIDENT),
        &threads,
    );
    let bare = host.bare_front(128);
    let woken = woken(&[&agent, &bare], effort.idle_seconds);
    let details = format!("{:.1}, the bare route {:.1}", woken[0], woken[1]);
    report.figure("wake-ups a second, idle", &details);
    ask(&agent, effort.requests);
    let resident = process::resident(pid);
    let name = format!("resident MiB after {},000 requests", effort.requests / 1000);
    report.judged(
        &name,
        resident,
        Goal::AtMost(MOST_RESIDENT),
        "32 connections at once",
    );
    connections("the agent", &agent, effort.connections, report);
    connections("the bare route", &bare, effort.connections, report);
}

/// How often each is woken a second while nothing is asked.
fn woken(servers: &[&Server], seconds: u64) -> Vec<f64> {
    let sleeps = || servers.iter().map(|server| process::sleeps(server.pid()));
    let before: Vec<u64> = sleeps().collect();
    std::thread::sleep(Duration::from_secs(seconds));
    let since = sleeps().zip(before).map(|(now, before)| now - before);
    since.map(|sleeps| sleeps as f64 / seconds as f64).collect()
}

fn ask(agent: &Server, requests: usize) {
    for _ in 0..requests / CONNECTIONS {
        agent.ask_all(CONNECTIONS, |answer| assert_eq!(answer.status, 200));
    }
}

/// Memory and delay beside so many connections that ask nothing.
fn connections(who: &str, server: &Server, most: usize, report: &Report) {
    let request = status_request();
    let before = process::resident(server.pid());
    let open: Vec<_> = (0..most).map(|_| server.connect()).collect();
    let mut delays = Sample::default();
    for _ in 0..500 {
        let asked = Instant::now();
        assert_eq!(server.ask(&request).status, 200);
        delays.push_ms(asked.elapsed());
    }
    let grown = process::resident(server.pid()) - before;
    report.figure(
        &format!("{most} idle connections, {who}"),
        &format!(
            "{grown:.1} MiB more, {:.1} KiB each; a status {}",
            grown * 1024.0 / most as f64,
            delays.shown("ms")
        ),
    );
    drop(open);
    std::thread::sleep(SETTLE);
    let left = process::resident(server.pid());
    report.figure("  resident MiB after they closed", &format!("{left:.2}"));
}
