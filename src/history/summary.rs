//! The few lines below the table: how many, how often it failed, how long it took.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::story::Story;
use super::table::duration;

/// Columns of a plot.
const BARS: usize = 24;
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What was shown so far; four bytes a deploy and measure.
#[derive(Default)]
pub(super) struct Summary {
    outcomes: BTreeMap<String, usize>,
    deploys: usize,
    failed_deploys: usize,
    durations: Vec<u32>,
    downtimes: Vec<u32>,
}

impl Summary {
    pub(super) fn take(&mut self, story: &Story) {
        *self.outcomes.entry(story.outcome.clone()).or_default() += 1;
        if story.kind != "deploy" {
            return;
        }
        self.deploys += 1;
        match story.outcome.as_str() {
            "succeeded" => {
                self.durations.extend(story.duration_ms.map(clamped));
                self.downtimes.extend(story.downtime_ms.map(clamped));
            }
            "running" => {}
            _ => self.failed_deploys += 1,
        }
    }

    pub(super) fn show(mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.outcomes.is_empty() {
            return writeln!(out, "no operations");
        }
        let counts = self.outcomes.iter();
        let counts: Vec<String> = counts
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        writeln!(out, "{}", counts.join(", "))?;
        if self.deploys > 0 {
            let (failed, all) = (self.failed_deploys, self.deploys);
            writeln!(
                out,
                "deploys: {all}, {failed} not succeeded ({:.1} %)",
                failed as f64 * 100.0 / all as f64
            )?;
        }
        measure("took", &mut self.durations, out)?;
        measure("downtime", &mut self.downtimes, out)
    }
}

/// Median, 95th percentile, and how the values lie between the least and the most.
fn measure(name: &str, values: &mut [u32], out: &mut dyn Write) -> io::Result<()> {
    values.sort_unstable();
    let (Some(least), Some(most)) = (values.first(), values.last()) else {
        return Ok(());
    };
    let at = |share: f64| {
        let rank = (values.len() as f64 * share).ceil() as usize;
        values
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    };
    writeln!(
        out,
        "{name:8}  median {}, 95th percentile {}   {} {} {}",
        duration(u64::from(at(0.5))),
        duration(u64::from(at(0.95))),
        duration(u64::from(*least)),
        plot(values, *least, *most),
        duration(u64::from(*most)),
    )
}

/// A bar for each equal part of the span; the highest is the fullest part.
fn plot(values: &[u32], least: u32, most: u32) -> String {
    let span = u64::from(most - least).max(1);
    let mut counts = [0_usize; BARS];
    for value in values {
        let part = u64::from(value - least) * (BARS as u64 - 1) / span;
        counts[usize::try_from(part).unwrap_or(0)] += 1;
    }
    let fullest = counts.iter().copied().max().unwrap_or(1).max(1);
    let bar = |count: &usize| match count {
        0 => ' ',
        count => {
            HEIGHTS[(count * (HEIGHTS.len() - 1))
                .div_ceil(fullest)
                .min(HEIGHTS.len() - 1)]
        }
    };
    counts.iter().map(bar).collect()
}

fn clamped(milliseconds: u64) -> u32 {
    u32::try_from(milliseconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deploy(outcome: &str, took: u64, down: Option<u64>) -> Story {
        Story {
            kind: "deploy".to_owned(),
            outcome: outcome.to_owned(),
            duration_ms: Some(took),
            downtime_ms: down,
            ..Story::default()
        }
    }

    #[test]
    fn the_summary_tells_rate_median_and_percentile() {
        let mut summary = Summary::default();
        for took in 1..=100 {
            summary.take(&deploy("succeeded", took, Some(took * 10)));
        }
        summary.take(&deploy("failed", 9_999, None));
        let mut out = Vec::new();
        summary.show(&mut out).expect("written");
        let out = String::from_utf8(out).expect("text");
        assert!(out.contains("1 failed, 100 succeeded"), "{out}");
        assert!(
            out.contains("deploys: 101, 1 not succeeded (1.0 %)"),
            "{out}"
        );
        assert!(
            out.contains("took      median 50 ms, 95th percentile 95 ms"),
            "{out}"
        );
        assert!(
            out.contains("downtime  median 500 ms, 95th percentile 950 ms"),
            "{out}"
        );
    }
}
