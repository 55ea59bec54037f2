//! What was seen of the runtime container between operations.

use std::fmt;

use serde::Serialize;

use super::bounds::short;

/// What became of the container. Each act of somebody else is one record, whatever the engine tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// It was there when the agent saw the engine first.
    Present,
    /// There was none when the agent saw the engine first.
    Absent,
    /// Its process ended, and nothing has brought it back yet.
    Ended,
    /// Its process ended, and the restart policy brought it back, `count` times.
    BroughtBack,
    /// It was made under the runtime's name and not started.
    Created,
    /// It was started.
    Started,
    /// It was stopped.
    Stopped,
    /// Its process was killed by a signal that was sent to the container.
    Killed,
    /// A signal was sent to it, which did not end its process.
    Signalled,
    /// It was restarted by an act, not by its policy.
    Restarted,
    /// It was frozen.
    Paused,
    /// It was thawed.
    Unpaused,
    /// It lost or got the runtime's name.
    Renamed,
    /// It was removed.
    Removed,
    /// Its limits or its restart policy were changed.
    Updated,
    /// Another container took the runtime's name, and was started.
    Replaced,
}

/// Who did it, as far as the engine tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The process itself.
    Process,
    /// The kernel, for want of memory.
    Kernel,
    /// The engine's restart policy.
    RestartPolicy,
    /// A client of the engine that is not this agent.
    Somebody,
    /// The engine did not tell: only the difference was seen.
    Unknown,
}

/// Something was seen of the runtime container that no operation did.
#[derive(Debug, Clone, Serialize)]
pub struct RuntimeObserved {
    /// What became of it.
    pub observed: Observation,
    /// Who did it.
    pub by: Cause,
    /// Full id; none when there is no container.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// Reference it was created from.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Id of its image.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The operation that made it, as its label says; none of a container that somebody else made.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub container_operation: Option<String>,
    /// Whether its process ran after it, under the runtime's name.
    pub up: bool,
    /// When it was done, by the engine's clock; none of what was there, of a loop, and of what no event told.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub acted_at: Option<String>,
    /// Of one that was there when the agent saw the engine first: its state, in the engine's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// When its process ended last (of a loop: first), by the engine's clock. Of one that was there and runs: when the
    /// process before this one ended.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// When its process was started, of an act that did; of one that was there: when it was started last. By the engine's clock.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// Of its last end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it for memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oom_killed: bool,
    /// Number of the signal that was sent.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// How often it was brought back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How long it did not run while it was brought back so often, in milliseconds, as far as it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_ms: Option<u64>,
    /// The other name of a container that was renamed.
    #[serde(serialize_with = "short::opt", skip_serializing_if = "Option::is_none")]
    pub other_name: Option<String>,
}

impl RuntimeObserved {
    /// There is no container.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self {
            observed: Observation::Absent,
            by: Cause::Unknown,
            container_id: None,
            image: None,
            image_id: None,
            container_operation: None,
            up: false,
            acted_at: None,
            status: None,
            ended_at: None,
            started_at: None,
            exit_code: None,
            oom_killed: false,
            signal: None,
            count: None,
            down_ms: None,
            other_name: None,
        }
    }
}

impl Observation {
    /// As records have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
            Self::Ended => "ended",
            Self::BroughtBack => "brought_back",
            Self::Created => "created",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Signalled => "signalled",
            Self::Restarted => "restarted",
            Self::Paused => "paused",
            Self::Unpaused => "unpaused",
            Self::Renamed => "renamed",
            Self::Removed => "removed",
            Self::Updated => "updated",
            Self::Replaced => "replaced",
        }
    }
}

impl Cause {
    /// As records have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Kernel => "kernel",
            Self::RestartPolicy => "restart_policy",
            Self::Somebody => "somebody",
            Self::Unknown => "unknown",
        }
    }
}

/// The line of the log.
impl fmt::Display for RuntimeObserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("runtime container")?;
        if let Some(id) = &self.container_id {
            write!(f, " {}", id.get(..12).unwrap_or(id))?;
        }
        write!(f, ": {}", self.observed.as_str().replace('_', " "))?;
        if self.by != Cause::Unknown {
            write!(f, ", by {}", self.by.as_str().replace('_', " "))?;
        }
        if let Some(count) = self.count {
            write!(f, ", {count} times")?;
        }
        if let Some(code) = self.exit_code {
            write!(f, ", exit code {code}")?;
        }
        if self.oom_killed {
            f.write_str(", for want of memory")?;
        }
        f.write_str(if self.up {
            "; it runs"
        } else {
            "; it does not run"
        })
    }
}

/// Observations that were only counted.
#[derive(Debug, Clone, Serialize)]
pub struct ObservationsSuppressed {
    /// How many.
    pub count: u64,
    /// When the first of them came, RFC 3339.
    pub since: String,
}
