//! Everything that can make create, start or confirm fail, and whether it is known before the stop.
//!
//! The rule: what can be known before the old container is stopped is known before it is stopped, and what needs no
//! image `check` finds as well. A way to fail that is not in this table belongs into it, with a scenario; a test holds
//! that each scenario exists and runs on the fake and on the real engine.

mod table;

use super::failure::Step;

pub use table::CAUSES;

/// One way in which what comes after the stop can fail.
#[derive(Debug, Clone, Copy)]
pub struct Cause {
    /// What is wrong.
    pub what: &'static str,
    /// Where it would show if nobody looked for it.
    pub fails: Step,
    /// How it is known in time, or why it cannot be.
    pub known: Known,
    /// `file::test` below `tests/it/scenarios`.
    pub scenario: &'static str,
}

/// Whether a cause is known before the old container is touched.
#[derive(Debug, Clone, Copy)]
pub enum Known {
    /// It is.
    Before {
        /// `file::function` that finds it.
        by: &'static str,
        /// Whether `check` finds it too: whatever does not need the image.
        in_check: bool,
    },
    /// It is not.
    NotBefore {
        /// Why.
        why: &'static str,
    },
}
