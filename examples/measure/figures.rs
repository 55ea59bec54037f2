//! Numbers and how they are shown: medians, spread, and whether a goal is met.

use std::time::Duration;

/// Measured values in one unit.
#[derive(Debug, Clone, Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn push_ms(&mut self, value: Duration) {
        self.push(value.as_secs_f64() * 1e3);
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value that this share of the sample does not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let at = (share * last as f64).round() as usize;
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The bounds between which the true median lies in 95 of 100 runs, by rank.
    pub fn confidence(&self) -> (f64, f64) {
        let reach = 0.98 / (self.0.len() as f64).sqrt();
        (
            self.quantile((0.5 - reach).max(0.0)),
            self.quantile((0.5 + reach).min(1.0)),
        )
    }

    /// Value by value over another sample that was taken in turns with this one.
    pub fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }

    /// Median and spread.
    pub fn shown(&self, unit: &str) -> String {
        let (median, low, high) = (self.median(), self.quantile(0.05), self.quantile(0.95));
        let digits = if median < 10.0 { 3 } else { 1 };
        format!("{median:.digits$} {unit} ({low:.digits$}..{high:.digits$})")
    }
}

/// What is asked of a figure.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// Prints figures as they come, and counts the goals.
#[derive(Debug, Default)]
pub struct Report {
    met: usize,
    missed: Vec<String>,
}

impl Report {
    pub fn begin(&self, title: &str) {
        println!("\n{title}");
    }

    /// A figure without a goal.
    pub fn figure(&self, name: &str, value: &str) {
        println!("  {name:<44} {value}");
    }

    /// A figure that a goal is set for.
    pub fn judged(&mut self, name: &str, value: f64, goal: Goal, details: &str) {
        let (good, bound) = match goal {
            Goal::AtMost(most) => (value <= most, format!("at most {most}")),
            Goal::AtLeast(least) => (value >= least, format!("at least {least}")),
        };
        let verdict = if good { "met" } else { "MISSED" };
        println!("  {name:<44} {value:.3}, goal {bound}: {verdict}; {details}");
        if good {
            self.met += 1;
        } else {
            self.missed.push(format!("{name} {value:.3}, goal {bound}"));
        }
    }

    /// The ratio of two samples taken in turns: of their medians, with the spread of the pairs.
    pub fn ratio(&mut self, name: &str, pair: (&Sample, &Sample), unit: &str, goal: Goal) {
        let (agent, bare) = pair;
        let pairs = agent.over(bare);
        let (low, high) = pairs.confidence();
        let details = format!(
            "pairs {:.3}, certain to {low:.3}..{high:.3} ({:.3}..{:.3}); agent {}, bare {}",
            pairs.median(),
            pairs.quantile(0.05),
            pairs.quantile(0.95),
            agent.shown(unit),
            bare.shown(unit)
        );
        self.judged(name, agent.median() / bare.median(), goal, &details);
    }

    pub fn end(&self) {
        println!("\n{} goals met, {} missed", self.met, self.missed.len());
        for missed in &self.missed {
            println!("  missed: {missed}");
        }
    }
}
