//! What the rows amount to.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::operation::Entry;
use super::table::{harmless, in_words};
use crate::audit::Down;

/// So many of the newest deploys are drawn.
const DRAWN: usize = 40;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// In this order, others behind.
const OUTCOMES: [&str; 6] = [
    "succeeded",
    "failed",
    "unknown",
    "abandoned",
    "interrupted",
    "running",
];

#[derive(Debug, Default)]
pub(super) struct Summary {
    outcomes: BTreeMap<String, u64>,
    rejections: u64,
    /// Deploys that have ended, and those of them that did not succeed.
    deploys: u64,
    failed_deploys: u64,
    /// Of deploys, in milliseconds.
    durations: Vec<u64>,
    downtimes: Vec<u64>,
    /// Times without a running runtime that are over, those of them that no operation made, and how long all took.
    outages: u64,
    unasked: u64,
    down_ms: u64,
}

impl Summary {
    pub(super) fn add(&mut self, entry: &Entry) {
        if entry.is_rejection() {
            self.rejections += 1;
            return;
        }
        if entry.is_acknowledgement() {
            return;
        }
        self.outages += entry.outages;
        if entry.outages > 0 {
            self.down_ms += entry.downtime_ms.unwrap_or(0);
        }
        if entry.is_observation() {
            self.unasked += entry.outages;
            return;
        }
        *self.outcomes.entry(entry.outcome.clone()).or_default() += 1;
        if entry.kind != "deploy" || entry.outcome == "running" {
            return;
        }
        self.deploys += 1;
        self.failed_deploys += u64::from(entry.did_not_succeed());
        self.durations.extend(entry.duration_ms);
        self.downtimes.extend(entry.downtime_ms);
    }

    /// `down` is what is not over.
    pub(super) fn write(&self, out: &mut impl Write, down: Option<&Down>) -> io::Result<()> {
        let all: u64 = self.outcomes.values().sum();
        if all + self.rejections + self.outages == 0 && down.is_none() {
            return writeln!(out, "no operations");
        }
        let known = OUTCOMES.iter().copied();
        let other = self.outcomes.keys().map(String::as_str);
        let counts: Vec<String> = known
            .chain(other.filter(|outcome| !OUTCOMES.contains(outcome)))
            .filter_map(|outcome| Some((self.outcomes.get(outcome)?, outcome)))
            .map(|(count, outcome)| format!("{count} {}", outcome.escape_debug()))
            .collect();
        writeln!(out)?;
        writeln!(out, "operations: {all} ({})", counts.join(", "))?;
        if let Some(tenths) = (self.failed_deploys * 1000).checked_div(self.deploys) {
            let (deploys, percent, tenth) = (self.deploys, tenths / 10, tenths % 10);
            writeln!(
                out,
                "deploys: {deploys}, {percent}.{tenth} % did not succeed"
            )?;
        }
        spread(out, "duration", &self.durations)?;
        spread(out, "downtime", &self.downtimes)?;
        if self.outages > 0 {
            let (outages, unasked, all) = (self.outages, self.unasked, in_words(self.down_ms));
            writeln!(
                out,
                "outages: {outages}, {unasked} of them ended by no operation, {all} in all"
            )?;
        }
        if let Some(Down { since, cause, .. }) = down {
            let (since, cause) = (harmless(since.into()), harmless(cause.into()));
            writeln!(out, "down since {since}: {cause}")?;
        }
        if self.rejections > 0 {
            writeln!(out, "rejected: {} rows", self.rejections)?;
        }
        Ok(())
    }
}

fn spread(out: &mut impl Write, what: &str, values: &[u64]) -> io::Result<()> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let Some(max) = sorted.last() else {
        return Ok(());
    };
    let rank = |percent: usize| {
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        in_words(sorted.get(at).copied().unwrap_or(*max))
    };
    writeln!(
        out,
        "{what}: median {}, 95 % within {}, longest {}  {}",
        rank(50),
        rank(95),
        in_words(*max),
        drawing(values)
    )
}

/// One bar a deploy, the newest last, from nothing to the longest of those drawn.
fn drawing(values: &[u64]) -> String {
    let newest = &values[values.len().saturating_sub(DRAWN)..];
    let max = newest.iter().copied().max().unwrap_or(0).max(1);
    let height = |value: u64| {
        let steps = u128::from(value) * (BARS.len() as u128 - 1) / u128::from(max);
        BARS[usize::try_from(steps).unwrap_or(0).min(BARS.len() - 1)]
    };
    newest.iter().map(|value| height(*value)).collect()
}
