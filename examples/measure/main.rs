//! What the agent costs over the bare engine and over the bare framework; run it with `./examples/benchmark`.
//!
//! Everything is measured in one run, agent and bare in turns, because a machine is never equally fast twice:
//! what counts is the ratio. Loopback only; every wait is bounded.

mod bare_front;
mod between;
mod busy;
mod deploys;
mod engine;
mod figures;
mod footprint;
mod host;
mod process;
mod queue;
mod relay;
mod server;
mod staleness;
mod status;
mod trail;

use figures::Report;
use host::Host;

/// How often things are repeated.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Pairs of deploys, the agent's and the bare one.
    pub deploy_pairs: usize,
    /// Pairs of deploys through a relay.
    pub relayed_pairs: usize,
    /// Pairs of rounds of status requests.
    pub status_rounds: usize,
    /// Requests a round.
    pub status_requests: usize,
    /// Deploys under which the status is asked.
    pub busy_deploys: usize,
    /// Requests after which the memory is looked at.
    pub requests: usize,
    /// Queues that are filled.
    pub queues: usize,
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

const USAGE: &str = "usage: examples/benchmark [--long | --try] [deploys] [status] [busy] [queue] [staleness] [footprint] [trail]";

const SHORT: Effort = Effort {
    deploy_pairs: 120,
    relayed_pairs: 30,
    status_rounds: 60,
    status_requests: 3200,
    busy_deploys: 24,
    queues: 5,
    changes: 100,
    starts: 10,
    idle_seconds: 10,
    requests: 100_000,
    records: 1_000_000,
    connections: 2000,
};

const LONG: Effort = Effort {
    deploy_pairs: 400,
    relayed_pairs: 100,
    status_rounds: 300,
    status_requests: 3200,
    busy_deploys: 80,
    queues: 15,
    changes: 300,
    starts: 30,
    idle_seconds: 30,
    ..SHORT
};

/// Enough to see that every part works.
const TRY: Effort = Effort {
    relayed_pairs: 3,
    deploy_pairs: 4,
    status_rounds: 2,
    status_requests: 320,
    busy_deploys: 2,
    queues: 1,
    changes: 3,
    starts: 2,
    idle_seconds: 1,
    requests: 2_000,
    records: 20_000,
    connections: 100,
};

/// The forms of it, by the word that asks for them.
const FORMS: [(&str, Effort); 2] = [("--long", LONG), ("--try", TRY)];

/// A part of the benchmark: its name, its title, what it does.
type Part = (&'static str, &'static str, fn(&Host, Effort, &mut Report));

const PARTS: [Part; 7] = [
    (
        "deploys",
        "Deploys: the agent over the same steps as bare calls on one connection",
        deploys::measure,
    ),
    (
        "status",
        "Status: the agent over a bare actix-web route with a constant of the same size",
        status::measure,
    ),
    ("busy", "Status while deploys run", busy::measure),
    ("queue", "A queue that fills", queue::measure),
    (
        "staleness",
        "Staleness: from the engine's event to the first status that shows it",
        staleness::measure,
    ),
    ("footprint", "Footprint", footprint::measure),
    ("trail", "Growth of the trail", trail::measure),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["bare-front", size] => bare_front::serve(size.parse().expect("a number of bytes")),
        [agent, scratch, name, ref asked @ ..] => {
            let known = |word: &&str| is_form(word) || PARTS.iter().any(|part| part.0 == *word);
            assert!(asked.iter().all(known), "{USAGE}");
            measure(&Host::furnish(agent.into(), scratch.into(), name), asked);
        }
        _ => panic!("{USAGE}"),
    }
}

fn is_form(word: &str) -> bool {
    FORMS.iter().any(|(form, _)| *form == word)
}

fn measure(host: &Host, asked: &[&str]) {
    let form = FORMS.iter().find(|(word, _)| asked.contains(word));
    let effort = form.map_or(SHORT, |(_, effort)| *effort);
    let mut report = Report::default();
    let everything = asked.iter().all(|word| is_form(word));
    host.describe();
    for (name, title, part) in PARTS {
        if everything || asked.contains(&name) {
            report.begin(title);
            part(host, effort, &mut report);
        }
    }
    report.end();
}
