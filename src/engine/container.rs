//! A container as an inspect shows it, in the agent's own words.

use std::fmt;

use super::error::{EngineError, EngineFault};
use crate::domain::ImageReference;

/// A full container id. Acts go to ids, never to names: the engine falls back from names to id prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerId(String);

/// An image id; opaque, because what it digests depends on the engine's image store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageId(pub(super) String);

/// The engine's word for a container's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerStatus {
    /// Never started.
    Created,
    /// Up.
    Running,
    /// Frozen.
    Paused,
    /// In restart backoff; the engine calls it running too.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended.
    Exited,
    /// A removal failed.
    Dead,
}

impl ContainerStatus {
    /// As the engine writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// Whether there is no process, and the last end is why.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        match self {
            Self::Restarting | Self::Removing | Self::Exited | Self::Dead => true,
            Self::Created | Self::Running | Self::Paused => false,
        }
    }
}

/// The engine's word for a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// No verdict yet.
    Starting,
    /// The last check passed.
    Healthy,
    /// Too many checks failed.
    Unhealthy,
}

/// One inspect of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Full id.
    pub id: ContainerId,
    /// The image as it was asked for, without the digest that this agent adds.
    pub image: String,
    /// The digest that this agent added; none of a container of somebody else.
    pub digest: Option<String>,
    /// The image that really runs.
    pub image_id: ImageId,
    /// Its state.
    pub status: ContainerStatus,
    /// RFC 3339, as the engine writes it; none if it never started.
    pub started_at: Option<String>,
    /// When it ended last, as the engine writes it; none if it never did.
    pub finished_at: Option<String>,
    /// Of the last end; 0 before any.
    pub exit_code: i64,
    /// Whether the kernel killed it for memory.
    pub oom_killed: bool,
    /// How often the restart policy brought it back.
    pub restart_count: i64,
    /// Whether its restart policy may bring it back by itself.
    pub returns_by_itself: bool,
    /// Its restart policy and limits, which may be changed while it runs.
    pub settings: String,
    /// None without a health check.
    pub health: Option<Health>,
    /// The operation that made it, if this agent did.
    pub operation: Option<String>,
    /// The revision of its source, where the image says so.
    pub revision: Option<String>,
}

impl ContainerId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 12 digits that people read.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }

    /// Takes only a full id: a shorter one would be looked up as a prefix.
    pub(super) fn full(id: Option<String>) -> Result<Self, EngineError> {
        id.filter(|id| id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()))
            .map(Self)
            .ok_or_else(not_understood)
    }
}

impl ImageId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

impl Observed {
    /// Whether the engine keeps the runtime up: its process executes, or the restart policy is about to bring it back
    /// after a clean end. A crash loop is not kept up while it waits: its last end was a failure.
    ///
    /// The engine sets `Restarting` before it tells of an end, and clears it when the next process has started: no
    /// inspect falls between the two.
    #[must_use]
    pub fn is_kept_up(&self) -> bool {
        match self.status {
            ContainerStatus::Running => true,
            ContainerStatus::Restarting => self.exit_code == 0 && !self.oom_killed,
            ContainerStatus::Created
            | ContainerStatus::Paused
            | ContainerStatus::Removing
            | ContainerStatus::Exited
            | ContainerStatus::Dead => false,
        }
    }

    /// Whether it has run, and was made of this tag, as this agent or somebody else spells it.
    #[must_use]
    pub fn is_made_of(&self, reference: &ImageReference) -> bool {
        let familiar = || {
            let (repository, tag) = (reference.repository().familiar(), reference.tag());
            self.image == format!("{repository}:{}", tag.as_str())
        };
        self.started_at.is_some() && (self.image == reference.as_str() || familiar())
    }

    /// Whether its process exists, or the engine may bring it back by itself.
    #[must_use]
    pub fn may_run(&self) -> bool {
        matches!(
            self.status,
            ContainerStatus::Running | ContainerStatus::Paused | ContainerStatus::Restarting
        )
    }
}

/// The answer of the engine lacks what every engine says.
pub(super) fn not_understood() -> EngineError {
    EngineError::without_effect(EngineFault::BrokenAnswer)
}

#[cfg(test)]
impl Observed {
    /// One that the restart policy leaves alone.
    pub(crate) fn sample(status: ContainerStatus) -> Self {
        Self {
            id: ContainerId("0".repeat(64)),
            image: "r:1".to_owned(),
            digest: None,
            image_id: ImageId("sha256:0".to_owned()),
            status,
            started_at: Some("2026-01-01T00:00:00Z".to_owned()),
            exit_code: 0,
            oom_killed: false,
            restart_count: 0,
            finished_at: None,
            returns_by_itself: false,
            settings: String::new(),
            health: None,
            operation: None,
            revision: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_of_clean_ends_is_kept_up_and_a_crash_loop_is_not_while_it_waits() {
        let kept_up = |status, exit_code, oom_killed| {
            let observed = Observed {
                exit_code,
                oom_killed,
                restart_count: 3,
                ..Observed::sample(status)
            };
            observed.is_kept_up()
        };
        assert!(kept_up(ContainerStatus::Restarting, 0, false));
        assert!(kept_up(ContainerStatus::Running, 0, false));
        assert!(kept_up(ContainerStatus::Running, 1, false), "it executes");
        assert!(!kept_up(ContainerStatus::Restarting, 1, false));
        assert!(!kept_up(ContainerStatus::Restarting, 0, true));
        for status in [
            ContainerStatus::Created,
            ContainerStatus::Paused,
            ContainerStatus::Removing,
            ContainerStatus::Exited,
            ContainerStatus::Dead,
        ] {
            assert!(!kept_up(status, 0, false), "{status:?}");
        }
    }
}
