//! A loop of ends that the restart policy answers: one record with a count, however many there are.

use std::time::Duration;

use tokio::time::Instant;

use super::changes::Change;
use crate::audit::{Cause, Observation};

/// A loop is over when nothing has ended for so long: Docker waits a minute at most before it tries again.
const QUIET: Duration = Duration::from_secs(90);
/// A loop that goes on is recorded so often, and counted anew.
const LONGEST: Duration = Duration::from_secs(600);

/// Ends of one container that its policy answers, not yet recorded.
#[derive(Debug)]
pub(super) struct RestartLoop {
    /// The last of them, with what all of them amount to.
    change: Change,
    /// Whether the last of them is answered.
    up: bool,
    last_end: Option<i64>,
    down_nanos: i64,
    begun: Instant,
    last: Instant,
}

impl RestartLoop {
    /// A loop that begins with this change.
    pub(super) fn begin(change: Change, now: Instant) -> Self {
        let mut begun = Self {
            change: Change {
                count: 0,
                ..change.clone()
            },
            up: false,
            last_end: None,
            down_nanos: 0,
            begun: now,
            last: now,
        };
        begun.add(&change, now);
        begun
    }

    /// Whether this change belongs to a loop of any container.
    pub(super) fn is_part(change: &Change) -> bool {
        change.returns || change.what == Observation::BroughtBack
    }

    /// Whether it belongs to this one.
    pub(super) fn takes(&self, change: &Change) -> bool {
        Self::is_part(change) && change.container == self.change.container
    }

    pub(super) fn add(&mut self, change: &Change, now: Instant) {
        self.last = now;
        if change.what == Observation::BroughtBack {
            self.up = true;
            self.change.count += change.count;
            self.change.started = change.started;
            if let (Some(ended), Some(started)) = (self.last_end.take(), change.started) {
                self.down_nanos += (started - ended).max(0);
            }
        } else {
            self.up = false;
            self.last_end = change.ended;
            self.change.by = change.by;
        }
        self.change.exit_code = change.exit_code.or(self.change.exit_code);
        self.change.oom_killed |= change.oom_killed;
        self.change.ended = self.change.ended.or(change.ended);
    }

    /// When it is to be recorded, whatever happens.
    pub(super) fn due(&self) -> Instant {
        (self.last + QUIET).min(self.begun + LONGEST)
    }

    /// The one change that it amounts to, whether the process runs, and for how many milliseconds it did not.
    pub(super) fn conclude(self) -> (Change, bool, Option<u64>) {
        let mut change = self.change;
        change.returns = false;
        if change.count == 0 {
            change.what = Observation::Ended;
            return (change, false, None);
        }
        change.what = Observation::BroughtBack;
        change.by = Cause::RestartPolicy;
        // It has a begin and an end.
        change.acted = None;
        let down = u64::try_from(self.down_nanos / 1_000_000).ok();
        (change, self.up, down.filter(|_| self.down_nanos > 0))
    }
}
