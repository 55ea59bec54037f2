//! How many rejected requests, and how many observations, get a record of their own.
//!
//! A flood of them may cost some megabytes a day, and never the record of a deploy.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// At once so many, then one a second: a person's mistakes are all seen.
pub(super) const REJECTIONS: u32 = 20;
/// Of observations more: what somebody does in a script to a container is all seen.
pub(super) const OBSERVATIONS: u32 = 50;
const EVERY: Duration = Duration::from_secs(1);
/// In a day so many, evenly given back: what an attacker can make the trail grow by.
const DAILY: u32 = 1000;
const DAILY_EVERY: Duration = Duration::from_millis(24 * 60 * 60 * 1000 / DAILY as u64);
/// What was only counted is recorded at most this often.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    capacity: u32,
    every: Duration,
    filled: Instant,
}

impl Bucket {
    fn full(capacity: u32, every: Duration, now: Instant) -> Self {
        Self {
            tokens: capacity,
            capacity,
            every,
            filled: now,
        }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        let earned = u32::try_from(passed.as_nanos() / self.every.as_nanos()).unwrap_or(u32::MAX);
        if earned >= self.capacity - self.tokens {
            self.tokens = self.capacity;
            self.filled = now;
        } else {
            self.tokens += earned;
            self.filled += self.every * earned;
        }
    }
}

#[derive(Debug)]
struct Spent {
    burst: Bucket,
    daily: Bucket,
    suppressed: u64,
    since: Option<(Instant, OffsetDateTime)>,
}

/// What was only counted.
#[derive(Debug)]
pub(super) struct Suppressed {
    pub(super) count: u64,
    /// When the first of them came.
    pub(super) since: OffsetDateTime,
}

/// The budget, shared by everybody whose records it bounds.
#[derive(Debug)]
pub(super) struct Budget(Mutex<Spent>);

impl Budget {
    /// A budget of so many at once.
    pub(super) fn new(burst: u32, now: Instant) -> Self {
        Self(Mutex::new(Spent {
            burst: Bucket::full(burst, EVERY, now),
            daily: Bucket::full(DAILY, DAILY_EVERY, now),
            suppressed: 0,
            since: None,
        }))
    }

    /// Whether one more may have its record; `false` counts it instead.
    pub(super) fn admit(&self, now: Instant) -> bool {
        let mut budget = self.lock();
        budget.burst.fill(now);
        budget.daily.fill(now);
        if budget.burst.tokens == 0 || budget.daily.tokens == 0 {
            budget.count(now);
            return false;
        }
        budget.burst.tokens -= 1;
        budget.daily.tokens -= 1;
        true
    }

    /// Counts one that gets no record.
    pub(super) fn suppress(&self, now: Instant) {
        self.lock().count(now);
    }

    /// What was only counted, once it has waited long enough, or `at_once`.
    pub(super) fn take(&self, now: Instant, at_once: bool) -> Option<Suppressed> {
        let mut budget = self.lock();
        let (from, at) = budget.since?;
        if !at_once && now.saturating_duration_since(from) < REPORT_INTERVAL {
            return None;
        }
        budget.since = None;
        Some(Suppressed {
            count: std::mem::take(&mut budget.suppressed),
            since: at,
        })
    }

    /// Gives back what could not be recorded.
    pub(super) fn put_back(&self, count: u64, now: Instant) {
        let mut budget = self.lock();
        budget.count(now);
        budget.suppressed = budget.suppressed.saturating_add(count.saturating_sub(1));
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    fn count(&mut self, now: Instant) {
        self.suppressed = self.suppressed.saturating_add(1);
        self.since
            .get_or_insert_with(|| (now, OffsetDateTime::now_utc()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_a_day_of_it_is_bounded() {
        let start = Instant::now();
        let budget = Budget::new(REJECTIONS, start);
        let at_once = (0..10_000).filter(|_| budget.admit(start)).count();
        assert_eq!(at_once, REJECTIONS as usize);
        let day: usize = (0..24 * 60 * 60)
            .map(|second| start + Duration::from_secs(second))
            .filter(|now| budget.admit(*now))
            .count();
        assert!(day <= 2 * DAILY as usize, "{day}");
        let told = budget.take(start, true).expect("many were counted");
        assert_eq!(told.count as usize + at_once + day, 10_000 + 24 * 60 * 60);
        assert!(budget.take(start, true).is_none());
    }

    #[test]
    fn what_was_only_counted_is_told_after_a_while() {
        let start = Instant::now();
        let budget = Budget::new(REJECTIONS, start);
        budget.suppress(start);
        assert!(budget.take(start, false).is_none());
        assert!(budget.take(start + REPORT_INTERVAL, false).is_some());
    }
}
