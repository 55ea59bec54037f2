//! A budget for records that anybody can cause: a flood of refused requests must not fill the disk.

use std::time::Instant;

use super::event::RejectionsSuppressed;

/// Records at once.
const BURST: f64 = 20.0;
/// Records a second in the long run.
const PER_SECOND: f64 = 0.2;

/// A token bucket, and the count of what it turned down.
#[derive(Debug)]
pub(super) struct Rejections {
    tokens: f64,
    filled: Instant,
    suppressed: u64,
    since: String,
}

impl Rejections {
    pub(super) fn new() -> Self {
        Self {
            tokens: BURST,
            filled: Instant::now(),
            suppressed: 0,
            since: String::new(),
        }
    }

    /// Whether one more may be recorded.
    pub(super) fn allow(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * PER_SECOND).min(BURST);
        self.filled = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }

    /// Counts one that is not recorded.
    pub(super) fn suppress(&mut self, at: String) {
        if self.suppressed == 0 {
            self.since = at;
        }
        self.suppressed += 1;
    }

    /// What was counted since the last time.
    pub(super) fn take(&mut self) -> Option<RejectionsSuppressed> {
        let count = std::mem::take(&mut self.suppressed);
        (count > 0).then(|| RejectionsSuppressed {
            count,
            since: std::mem::take(&mut self.since),
        })
    }
}
