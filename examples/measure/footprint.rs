//! What the agent takes of the host: time to start, memory, wake-ups, its file.

use std::fs;
use std::time::{Duration, Instant};

use crate::Effort;
use crate::figures::{Goal, Report, Sample};
use crate::host::{Host, Server, status_request};
use crate::process;

const MOST_RESIDENT: f64 = 12.0;
const REQUESTS: usize = 100_000;
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
    let sleeps = process::sleeps(pid);
    std::thread::sleep(Duration::from_secs(effort.idle_seconds));
    let woken = (process::sleeps(pid) - sleeps) as f64 / effort.idle_seconds as f64;
    report.figure("wake-ups a second, idle", &format!("{woken:.1}"));
    ask(&agent);
    let resident = process::resident(pid);
    let name = "resident MiB after 100,000 requests";
    report.judged(
        name,
        resident,
        Goal::AtMost(MOST_RESIDENT),
        "32 connections",
    );
    connections(&agent, effort.connections, report);
}

fn ask(agent: &Server) {
    let request = status_request();
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| agent.connect()).collect();
    for _ in 0..REQUESTS / CONNECTIONS {
        for connection in &mut connections {
            connection.send(&request).expect("sent");
        }
        for connection in &mut connections {
            assert_eq!(connection.receive().expect("an answer").status, 200);
        }
    }
}

/// Memory and delay with so many kept connections.
fn connections(agent: &Server, most: usize, report: &Report) {
    let request = status_request();
    let before = process::resident(agent.pid());
    let mut open = Vec::with_capacity(most);
    for _ in 0..most {
        let mut connection = agent.connect();
        let answer = connection.exchange(&request).expect("an answer");
        assert_eq!(answer.status, 200);
        open.push(connection);
    }
    let mut delays = Sample::default();
    for connection in open.iter_mut().take(500) {
        let asked = Instant::now();
        connection.exchange(&request).expect("an answer");
        delays.push_ms(asked.elapsed());
    }
    let grown = process::resident(agent.pid()) - before;
    report.figure(
        &format!("{most} open connections"),
        &format!(
            "{grown:.1} MiB more, {:.1} KiB each; a status {}",
            grown * 1024.0 / most as f64,
            delays.shown("ms")
        ),
    );
    drop(open);
    std::thread::sleep(SETTLE);
    let left = process::resident(agent.pid());
    report.figure("resident MiB after they closed", &format!("{left:.2}"));
}
