//! What the agent costs over the bare engine and over the bare framework; run it with `./examples/benchmark`.
//!
//! Everything is measured in one run, agent and bare in turns, because a machine is never equally fast twice:
//! what counts is the ratio. Loopback only; every wait is bounded.

mod bare_front;
mod deploys;
mod engine;
mod figures;
mod footprint;
mod host;
mod http;
mod process;
mod staleness;
mod status;
mod trail;

use std::path::PathBuf;

use figures::Report;
use host::Host;

/// How often things are repeated.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Pairs of deploys, the agent's and the bare one.
    pub deploy_pairs: usize,
    /// Pairs of rounds of status requests.
    pub status_rounds: usize,
    /// Requests a round.
    pub status_requests: usize,
    /// Deploys under which the status is asked.
    pub busy_deploys: usize,
    /// Ends and starts of the container that the status has to show.
    pub changes: usize,
    /// Starts of the agent.
    pub starts: usize,
    /// Seconds without any request.
    pub idle_seconds: u64,
    /// Records in the trail.
    pub records: usize,
    /// Open connections.
    pub connections: usize,
}

const SHORT: Effort = Effort {
    deploy_pairs: 12,
    status_rounds: 8,
    status_requests: 13_000,
    busy_deploys: 6,
    changes: 15,
    starts: 10,
    idle_seconds: 10,
    records: 1_000_000,
    connections: 2000,
};

const LONG: Effort = Effort {
    deploy_pairs: 60,
    status_rounds: 30,
    status_requests: 20_000,
    busy_deploys: 20,
    changes: 60,
    starts: 30,
    idle_seconds: 30,
    ..SHORT
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["bare-front", size] => bare_front::serve(size.parse().expect("a number of bytes")),
        [agent, scratch, name] => measure(agent, scratch, name, SHORT),
        [agent, scratch, name, "--long"] => measure(agent, scratch, name, LONG),
        _ => panic!("usage: benchmark AGENT DIRECTORY NAME [--long], see examples/benchmark"),
    }
}

fn measure(agent: &str, scratch: &str, name: &str, effort: Effort) {
    let host = Host::furnish(PathBuf::from(agent), PathBuf::from(scratch), name);
    let mut report = Report::default();
    host.describe();
    report.begin("Deploys: the agent over the same steps as bare calls on one connection");
    deploys::measure(&host, effort, &mut report);
    report.begin("Status: the agent over a bare actix-web route with a constant of the same size");
    status::measure(&host, effort, &mut report);
    report.begin("Staleness: from the engine's event to the first status that shows it");
    staleness::measure(&host, effort, &mut report);
    report.begin("Footprint");
    footprint::measure(&host, effort, &mut report);
    report.begin("Growth of the trail");
    trail::measure(&host, effort, &mut report);
    report.end();
}
