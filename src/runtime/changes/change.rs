//! One thing that became of a container.

use crate::audit::{Cause, Observation};

/// What became of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) struct Change {
    pub(in crate::runtime) what: Observation,
    pub(in crate::runtime) by: Cause,
    pub(in crate::runtime) container: String,
    pub(in crate::runtime) exit_code: Option<i64>,
    pub(in crate::runtime) oom_killed: bool,
    pub(in crate::runtime) signal: Option<String>,
    pub(in crate::runtime) other_name: Option<String>,
    /// Whether its process ran after it, under our name.
    pub(in crate::runtime) up: bool,
    /// When it was done, by the engine's clock; none if no event told.
    pub(in crate::runtime) acted: Option<i64>,
    /// When its process ended and was started, where it did, by the engine's clock.
    pub(in crate::runtime) ended: Option<i64>,
    pub(in crate::runtime) started: Option<i64>,
    /// The restart policy is about to bring it back.
    pub(in crate::runtime) returns: bool,
    /// How often it was brought back.
    pub(in crate::runtime) count: u64,
}

impl Change {
    pub(super) fn new(what: Observation, by: Cause, container: &str) -> Self {
        Self {
            what,
            by,
            container: container.to_owned(),
            exit_code: None,
            oom_killed: false,
            signal: None,
            other_name: None,
            up: false,
            acted: None,
            ended: None,
            started: None,
            returns: false,
            count: u64::from(what == Observation::BroughtBack),
        }
    }
}
