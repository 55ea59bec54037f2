//! Status against a bare route: how many a second, at which processor time each, how late the slowest.

use std::time::Instant;

use crate::Effort;
use crate::figures::{Goal, Report, Sample};
use crate::host::Host;
use crate::process;
use crate::server::{Server, status_request};

/// Asked all at once by one client thread, a request a connection: the client costs little and is the same for both.
const CONNECTIONS: usize = 32;

#[derive(Default)]
struct Series {
    throughput: Sample,
    processor: Sample,
    p99: Sample,
}

pub fn measure(host: &Host, effort: Effort, report: &mut Report) {
    let agent = host.agent("state");
    let answer = agent.ask(&status_request());
    let bare = host.bare_front(answer.body.len());
    let (mut agents, mut bares) = (Series::default(), Series::default());
    for round in 0..=effort.status_rounds {
        for turn in 0..2 {
            let of_agent = (round + turn) % 2 == 0;
            let (server, series) = if of_agent {
                (&agent, &mut agents)
            } else {
                (&bare, &mut bares)
            };
            // The first round warms both.
            let mut scrap = Series::default();
            let series = if round == 0 { &mut scrap } else { series };
            load(server, effort.status_requests, series);
        }
    }
    let throughput = (&agents.throughput, &bares.throughput);
    report.ratio(
        "throughput over the bare route",
        throughput,
        "/s",
        Goal::AtLeast(0.85),
    );
    for (name, (of_agent, of_bare), unit) in [
        ("p99 under that load", (&agents.p99, &bares.p99), "ms"),
        (
            "processor time a request",
            (&agents.processor, &bares.processor),
            "us",
        ),
    ] {
        let ratio = of_agent.over(of_bare);
        let (of_agent, of_bare) = (of_agent.shown(unit), of_bare.shown(unit));
        let details = format!("{ratio}; agent {of_agent}, bare {of_bare}");
        report.figure(&format!("{name} over the bare route"), &details);
    }
}

/// One round of requests.
fn load(server: &Server, requests: usize, series: &mut Series) {
    let mut delays = Sample::default();
    let cpu = process::processor_time(server.pid());
    let begun = Instant::now();
    let turns = requests / CONNECTIONS;
    for _ in 0..turns {
        let asked = Instant::now();
        server.ask_all(CONNECTIONS, |answer| {
            assert_eq!(answer.status, 200);
            delays.push_ms(asked.elapsed());
        });
    }
    let done = (turns * CONNECTIONS) as f64;
    series.throughput.push(done / begun.elapsed().as_secs_f64());
    let cpu = process::processor_time(server.pid()) - cpu;
    series.processor.push(cpu / done);
    series.p99.push(delays.quantile(0.99));
}
