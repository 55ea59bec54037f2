//! What acts are told by.

use crate::engine::{ContainerEvent, ContainerStatus, Observed};

/// What became of a container that is not under our name any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) enum Whereabouts {
    /// Nobody asked, or the engine did not answer.
    Unknown,
    /// It is gone.
    Gone,
    /// It has this name.
    Named(String),
}

/// What a container does, in the words that acts are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Up,
    Paused,
    /// The restart policy waits.
    Waiting,
    Down,
}

impl Phase {
    pub(super) fn of(observed: &Observed) -> Self {
        match observed.status {
            ContainerStatus::Running => Self::Up,
            ContainerStatus::Paused => Self::Paused,
            ContainerStatus::Restarting => Self::Waiting,
            ContainerStatus::Created
            | ContainerStatus::Exited
            | ContainerStatus::Removing
            | ContainerStatus::Dead => Self::Down,
        }
    }
}

/// The container under our name, as far as the events so far tell.
pub(super) struct Holder {
    pub(super) id: String,
    pub(super) phase: Phase,
}

impl Holder {
    pub(super) fn of(observed: &Observed) -> Self {
        Self {
            id: observed.id.as_str().to_owned(),
            phase: Phase::of(observed),
        }
    }
}

/// Everything that is known when a pause in the events is taken for the end of an act.
pub(in crate::runtime) struct Evidence<'a> {
    /// Our name.
    pub(in crate::runtime) ours: &'a str,
    /// What was known before the events.
    pub(in crate::runtime) known: Option<&'a Observed>,
    /// Whether a container has had the name before, in this life of the agent.
    pub(in crate::runtime) had: bool,
    /// In the order in which they came.
    pub(in crate::runtime) events: &'a [ContainerEvent],
    /// What an inspect shows after them; `None` for the outer one when none was made.
    pub(in crate::runtime) seen: Option<Option<&'a Observed>>,
    /// Of the container that is known, if something else or nothing is seen.
    pub(in crate::runtime) whereabouts: Whereabouts,
    /// Nothing is waited for: a signal whose process has not ended has not ended it.
    pub(in crate::runtime) cut: bool,
}
