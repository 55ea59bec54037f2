//! What a client of the engine adds to the downtime: the time from an answer to its next call, from the stop to the
//! start. The engine's own time, which varies far more than this, is not in it.

use crate::deploys::{Steps, bare, by_agent};
use crate::engine::Engine;
use crate::figures::{Report, Sample};
use crate::host::{Host, TAGS};
use crate::relay::Relay;

/// Milliseconds before the removal, the creation and the start.
#[derive(Default)]
struct Gaps {
    each: [Sample; 3],
    sum: Sample,
}

pub fn measure(host: &Host, pairs: usize, downtime: &Sample, report: &Report) {
    let relay = Relay::start(host.directory.join("relay.sock"));
    let agent = host.agent_through(&relay.socket, &[], "relayed");
    let mut engine = Engine::connect_to(&relay.socket);
    let (mut agents, mut bares) = (Gaps::default(), Gaps::default());
    for pair in 0..=pairs {
        // The first pair warms both.
        let (mut scrap, mut unused) = (Gaps::default(), Gaps::default());
        let (agents, bares) = match pair {
            0 => (&mut scrap, &mut unused),
            _ => (&mut agents, &mut bares),
        };
        by_agent(host, &agent, TAGS[pair % 2]);
        agents.push(&relay.between_calls());
        bare(host, &mut engine, TAGS[pair % 2], &mut Steps::new());
        bares.push(&relay.between_calls());
    }
    let added = agents.sum.less(&bares.sum);
    let share = 1.0 + added.value / downtime.median();
    let (of_agent, of_bare) = (agents.sum.shown("ms"), bares.sum.shown("ms"));
    let details = format!(
        "agent {of_agent}, bare {of_bare}; added {added} ms: {share:.3} of the bare downtime"
    );
    report.figure("between the calls, from stop to start", &details);
    let details = format!("agent {}, bare {} ms", agents.medians(), bares.medians());
    report.figure("  before remove, create, start", &details);
}

impl Gaps {
    fn push(&mut self, gaps: &[f64]) {
        self.sum.push(gaps.iter().sum());
        let each = self.each.iter_mut().zip(gaps);
        each.for_each(|(all, gap)| all.push(*gap));
    }

    fn medians(&self) -> String {
        let medians = self
            .each
            .each_ref()
            .map(|gap| format!("{:.2}", gap.median()));
        medians.join(", ")
    }
}
