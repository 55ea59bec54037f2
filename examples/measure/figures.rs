//! Numbers and how they are shown: medians, spread, and whether a goal is met.

use std::time::Duration;

/// Measured values in one unit.
#[derive(Debug, Clone, Default)]
pub struct Sample(Vec<f64>);

impl Sample {
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

    /// Value by value over another sample that was taken in turns with this one.
    pub fn over(&self, other: &Self) -> Estimate {
        let pairs = self.0.iter().zip(&other.0);
        Estimate::of(&pairs.map(|(a, b)| (a / b).ln()).collect::<Vec<_>>()).map(f64::exp)
    }

    /// Value by value less another sample that was taken in turns with this one.
    pub fn less(&self, other: &Self) -> Estimate {
        let pairs = self.0.iter().zip(&other.0);
        Estimate::of(&pairs.map(|(a, b)| a - b).collect::<Vec<_>>())
    }

    /// Each second value over the one before: what chance alone makes of values that should be the same.
    pub fn over_itself(&self) -> Estimate {
        let (mut first, mut second) = (Self::default(), Self::default());
        for pair in self.0.chunks_exact(2) {
            first.push(pair[0]);
            second.push(pair[1]);
        }
        second.over(&first)
    }

    /// Median and spread.
    pub fn shown(&self, unit: &str) -> String {
        let (median, low, high) = (self.median(), self.quantile(0.05), self.quantile(0.95));
        let digits = if median < 10.0 { 3 } else { 1 };
        format!("{median:.digits$} {unit} ({low:.digits$}..{high:.digits$})")
    }
}

/// The middle of a sample, and the bounds between which the true one lies in 95 of 100 runs.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Estimate {
    /// After Hodges and Lehmann: the median of the means of all pairs, and bounds by Wilcoxon's ranks. A pair that went
    /// astray hardly moves it, and it needs fewer values than a median for the same certainty.
    fn of(values: &[f64]) -> Self {
        let means = values.iter().enumerate();
        let means = means.flat_map(|(at, a)| values[at..].iter().map(move |b| (a + b) / 2.0));
        let mut means: Vec<f64> = means.collect();
        means.sort_by(f64::total_cmp);
        let many = values.len() as f64;
        let middle = many * (many + 1.0) / 4.0;
        let reach = 1.96 * (many * (many + 1.0) * (2.0 * many + 1.0) / 24.0).sqrt();
        let last = means.len().saturating_sub(1);
        let at = |rank: f64| {
            let at = (rank.max(0.0) as usize).min(last);
            means.get(at).copied().unwrap_or(f64::NAN)
        };
        Self {
            value: at(middle),
            low: at(middle - reach),
            high: at(middle + reach),
        }
    }

    fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self {
            value: change(self.value),
            low: change(self.low),
            high: change(self.high),
        }
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { value, low, high } = self;
        write!(f, "{value:.3} (certain to {low:.3}..{high:.3})")
    }
}

/// What is asked of a figure.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
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
        let good = goal.holds(value);
        let bound = match goal {
            Goal::AtMost(most) => format!("at most {most}"),
            Goal::AtLeast(least) => format!("at least {least}"),
        };
        let verdict = if good { "met" } else { "MISSED" };
        println!("  {name:<44} {value:.3}, goal {bound}: {verdict}; {details}");
        if good {
            self.met += 1;
        } else {
            self.missed.push(format!("{name} {value:.3}, goal {bound}"));
        }
    }

    /// The ratio of two samples taken in turns.
    pub fn ratio(&mut self, name: &str, pair: (&Sample, &Sample), unit: &str, goal: Goal) {
        let (agent, bare) = pair;
        let ratio = agent.over(bare);
        let doubt = if goal.holds(ratio.low) == goal.holds(ratio.high) {
            ""
        } else {
            ", too close to be sure"
        };
        let (agent, bare) = (agent.shown(unit), bare.shown(unit));
        let details = format!("{ratio}{doubt}; agent {agent}, bare {bare}");
        self.judged(name, ratio.value, goal, &details);
    }

    pub fn end(&self) {
        println!("\n{} goals met, {} missed", self.met, self.missed.len());
        for missed in &self.missed {
            println!("  missed: {missed}");
        }
    }
}
