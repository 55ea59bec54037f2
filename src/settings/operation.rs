//! The limits of operations: how long each part may take, and what is confirmed.

use std::time::Duration;

use super::reader::Reader;

/// The time that a stop may need past its grace: the engine's own SIGKILL can be slow (moby `kill.go`).
pub const STOP_SLACK: Duration = Duration::from_secs(15);
/// Time kept for remove, create, start and the closing inspects, which take milliseconds on a healthy engine.
const SWITCH_RESERVE: Duration = Duration::from_secs(10);
/// The most that asking the registry for signatures may take, and what is kept for it where they are asked for.
pub const SIGNATURE_LIMIT: Duration = Duration::from_secs(15);
/// The shortest time that a pull must be left with; with a smaller budget every deploy would fail.
const SHORTEST_PULL: Duration = Duration::from_secs(5);
/// Cloudflare ends a request without an answer after 100 s: a budget past this could not be answered.
const LONGEST_BUDGET_SECONDS: u64 = 95;
/// The limits of operations.
#[derive(Debug, Clone)]
pub struct OperationSettings {
    /// Between SIGTERM and SIGKILL.
    pub stop_grace: Duration,
    /// How long a new container is watched.
    pub start_confirmation: Duration,
    /// What the watch asks for.
    pub confirm: Confirm,
    /// From a request's arrival to its answer, queue wait included.
    pub budget: Duration,
    /// Whether a tag may move to another digest.
    pub allow_mutable_tags: bool,
    /// What is kept for asking for signatures: nothing where `SIGNATURE_POLICY` is off.
    pub signature_reserve: Duration,
}

/// What a started container must show inside the confirmation window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// It runs, or exited with 0.
    Running,
    /// An image with a HEALTHCHECK must become healthy.
    Healthy,
}

impl OperationSettings {
    /// What must be left of the budget when the pull ends, so that the rest can end inside it.
    #[must_use]
    pub fn reserve_after_pull(&self) -> Duration {
        self.signature_reserve + self.reserve_after_verify()
    }

    /// What must be left of it when everything is verified.
    #[must_use]
    pub fn reserve_after_verify(&self) -> Duration {
        self.stop_grace + STOP_SLACK + self.start_confirmation + SWITCH_RESERVE
    }

    /// What a stop needs at most.
    #[must_use]
    pub fn reserve_for_stop(&self) -> Duration {
        self.stop_grace + STOP_SLACK + Duration::from_secs(5)
    }

    /// A budget that is too short for its parts is a problem: every deploy would fail.
    pub(super) fn read(reader: &mut Reader<'_>, asks_for_signatures: bool) -> Self {
        let settings = Self {
            stop_grace: reader.seconds("STOP_GRACE_SECONDS", 10, 0..=60),
            start_confirmation: reader.seconds("START_CONFIRMATION_SECONDS", 3, 0..=60),
            confirm: reader.or("START_CONFIRMATION", Confirm::Running, Confirm::parse),
            budget: reader.seconds("OPERATION_BUDGET_SECONDS", 90, 1..=LONGEST_BUDGET_SECONDS),
            allow_mutable_tags: reader.flag("ALLOW_MUTABLE_TAGS", false),
            signature_reserve: match asks_for_signatures {
                true => SIGNATURE_LIMIT,
                false => Duration::ZERO,
            },
        };
        let least = settings.reserve_after_pull() + SHORTEST_PULL;
        if settings.budget < least {
            let parts = match asks_for_signatures {
                true => {
                    "STOP_GRACE_SECONDS + 15, START_CONFIRMATION_SECONDS, 10 to switch, 15 to ask for signatures and 5 to pull"
                }
                false => {
                    "STOP_GRACE_SECONDS + 15, START_CONFIRMATION_SECONDS, 10 to switch and 5 to pull"
                }
            };
            reader.problem(
                "OPERATION_BUDGET_SECONDS",
                format!("must be at least {} ({parts})", least.as_secs()),
            );
        }
        if settings.confirm == Confirm::Healthy && settings.start_confirmation.is_zero() {
            reader.problem(
                "START_CONFIRMATION_SECONDS",
                "must be at least 1 with START_CONFIRMATION=healthy: no health check says anything in no time",
            );
        }
        settings
    }
}

impl Confirm {
    /// The word as the settings have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Healthy => "healthy",
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let found = [Self::Running, Self::Healthy]
            .into_iter()
            .find(|confirm| confirm.as_str() == text);
        found.ok_or("must be running or healthy")
    }
}
