//! How operations fail: what kind, at which step, what state the runtime is in now.

use thiserror::Error;

pub use crate::audit::RuntimeState;
use crate::audit::{SignatureRecord, SignatureVerdict, TrailError};
use crate::engine::{ContainerId, ContainerStatus, Effect, EngineError, EngineFault, Observed};

/// The steps, in the order in which they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Everything that can be checked without touching anything.
    Preflight,
    /// Pull the image.
    Pull,
    /// Check what was pulled, and ask what holds the name.
    Verify,
    /// Stop the old container.
    Stop,
    /// Remove the old container.
    Remove,
    /// Create the new container.
    Create,
    /// Start it.
    Start,
    /// Watch it for the confirmation window.
    Confirm,
    /// Stop a new container that failed the confirmation, so that no restart policy loops it.
    Halt,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 9] = [
        Self::Preflight,
        Self::Pull,
        Self::Verify,
        Self::Stop,
        Self::Remove,
        Self::Create,
        Self::Start,
        Self::Confirm,
        Self::Halt,
    ];

    /// The word for it in reasons, log and trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Pull => "pull",
            Self::Verify => "verify",
            Self::Stop => "stop",
            Self::Remove => "remove",
            Self::Create => "create",
            Self::Start => "start",
            Self::Confirm => "confirm",
            Self::Halt => "halt",
        }
    }

    /// Whether the step waits until its intent is on the disk. The others only ask, or come between the stop and the
    /// start, where the disk's time would be the runtime's downtime: what they do is announced by the durable intents
    /// of the operation and of the stop, and their own records are made durable beside the act.
    pub(super) const fn is_announced_on_disk(self) -> bool {
        matches!(self, Self::Pull | Self::Stop | Self::Halt)
    }
}

/// A failed operation. `Display` is the reason a caller reads: one sentence, no secret.
#[derive(Debug, Clone, Error)]
#[error("{reason}")]
pub struct Failure {
    /// Decides the HTTP status.
    pub kind: FailureKind,
    /// The step that failed; none if the operation never began.
    pub step: Option<Step>,
    /// The whole sentence.
    pub reason: String,
    /// What a fresh inspect showed.
    pub state: RuntimeState,
    /// Whether it is unknown if the failed step took effect.
    pub unknown: bool,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Too many operations wait.
    QueueFull,
    /// The agent shuts down.
    ShuttingDown,
    /// The client was gone before the operation began.
    Abandoned,
    /// The budget was used up, in the queue or in a step.
    Deadline,
    /// Something of this host: a file, a directory, a setting.
    Host,
    /// The audit trail cannot be written.
    Trail,
    /// The engine is absent.
    EngineUnreachable,
    /// The engine, or a registry through it, refused or gave an answer that proves nothing.
    EngineRefused,
    /// The tag moved to another digest.
    TagMoved,
    /// The image must not, or cannot, run as it is.
    ImageRefused,
    /// The ledger of tags may not know every tag, and nobody has acknowledged that.
    LedgerDoubted,
    /// The image is not signed as the policy demands.
    NotSigned,
    /// Deploys are frozen.
    Frozen,
    /// Whoever asked has ended it, or the agent's end has.
    Cancelled,
    /// An image is being fetched or removed by somebody else.
    Busy,
    /// The new container did not start, or ended badly in the confirmation window.
    NotStarted,
    /// The actor died.
    Panicked,
}

impl Failure {
    /// A failure that comes before an operation has begun: nothing was touched, and no step failed.
    #[must_use]
    pub fn before_start(kind: FailureKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            step: None,
            reason: reason.into(),
            state: RuntimeState::Untouched,
            unknown: false,
        }
    }
}

/// The containers that an operation has met, by their ids.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// What it came to replace.
    pub(super) old: Option<ContainerId>,
    /// What it has created.
    pub(super) new: Option<ContainerId>,
}

impl RuntimeState {
    /// Reads an inspect from the view of one operation. Ids decide; the label stands in for the id of a container whose
    /// creation was never answered. Without `met` nothing was touched, and what is there is what was there.
    pub(super) fn of(observed: Option<&Observed>, operation: &str, met: Option<&Met>) -> Self {
        let Some(observed) = observed else {
            return Self::Nothing;
        };
        let labelled = observed.operation.as_deref() == Some(operation);
        let new = met.and_then(|met| met.new.as_ref());
        let old = met.is_none_or(|met| met.old.as_ref() == Some(&observed.id));
        if new.map_or(labelled, |new| *new == observed.id) {
            Self::of_new(observed)
        } else {
            match (old, observed.may_run()) {
                (true, true) => Self::OldRunning,
                (true, false) => Self::OldStopped,
                (false, true) => Self::StrangerRunning,
                (false, false) => Self::StrangerStopped,
            }
        }
    }

    fn of_new(observed: &Observed) -> Self {
        match observed.status {
            ContainerStatus::Removing | ContainerStatus::Dead => Self::NewRemoving,
            _ if observed.may_run() => Self::NewRunning,
            _ if observed.started_at.is_some() => Self::NewExited,
            _ => Self::NewCreated,
        }
    }

    /// The clause of a reason.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        match self {
            Self::Untouched => "the runtime container was not touched",
            Self::OldRunning => "the old runtime container is running",
            Self::OldStopped => "the old runtime container is there but not running",
            Self::StrangerRunning => {
                "another container, which somebody else made, has the runtime's name and is running"
            }
            Self::StrangerStopped => {
                "another container, which somebody else made, has the runtime's name and is not running"
            }
            Self::Nothing => "no runtime container exists now",
            Self::NewCreated => "the new runtime container was created but is not running",
            Self::NewRemoving => "the new runtime container is being removed by somebody else",
            Self::NewRunning => "the new runtime container is running",
            Self::NewExited => "the new runtime container has stopped and is kept for docker logs",
            Self::Unknown => "the state of the runtime container is unknown",
        }
    }
}

impl FailureKind {
    /// The HTTP status it is answered with; the trail records it too.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::QueueFull
            | Self::ShuttingDown
            | Self::Abandoned
            | Self::Cancelled
            | Self::Busy
            | Self::EngineUnreachable => 503,
            Self::Frozen => 423,
            Self::Deadline => 504,
            Self::EngineRefused => 502,
            Self::TagMoved | Self::LedgerDoubted => 409,
            Self::ImageRefused | Self::NotSigned => 422,
            Self::Host | Self::Trail | Self::NotStarted | Self::Panicked => 500,
        }
    }
}

/// Why a step failed.
#[derive(Debug, Error)]
pub(super) enum StepError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the audit trail cannot be written: {0}")]
    Trail(#[from] TrailError),
    #[error("{0}")]
    Host(String),
    #[error("{0}")]
    TagMoved(String),
    #[error("{0}")]
    Image(String),
    #[error("{0}")]
    LedgerDoubted(String),
    #[error("{0}")]
    WrongPlatform(String),
    #[error("{}", record.detail.as_deref().unwrap_or("no signature"))]
    Signature {
        /// Whether nobody answered in time.
        deadline: bool,
        /// What was found.
        record: Box<SignatureRecord>,
    },
    #[error("{0}")]
    NotStarted(String),
    #[error("{0}")]
    Cancelled(&'static str),
    #[error(
        "it did not end within {seconds} s, which is what the operation's budget leaves for it: {came}"
    )]
    OutOfTime {
        seconds: u64,
        /// How far it came, and what helps.
        came: String,
    },
}

impl StepError {
    pub(super) fn kind(&self, step: Step) -> FailureKind {
        match self {
            // What the engine refuses to start did not start; that is the contract's own failure.
            Self::Engine(EngineError {
                fault: EngineFault::Refused { .. },
                ..
            }) if step == Step::Start => FailureKind::NotStarted,
            Self::Engine(error) => match &error.fault {
                EngineFault::Unreachable | EngineFault::Untrusted(_) => {
                    FailureKind::EngineUnreachable
                }
                EngineFault::Deadline(_) | EngineFault::Stalled(_) => FailureKind::Deadline,
                EngineFault::Refused { .. }
                | EngineFault::BrokenAnswer
                | EngineFault::Unproven(_) => FailureKind::EngineRefused,
            },
            Self::Trail(_) => FailureKind::Trail,
            Self::Host(_) => FailureKind::Host,
            Self::TagMoved(_) => FailureKind::TagMoved,
            Self::Image(_) => FailureKind::ImageRefused,
            Self::LedgerDoubted(_) => FailureKind::LedgerDoubted,
            Self::WrongPlatform(_) => FailureKind::EngineRefused,
            Self::Signature { deadline: true, .. } => FailureKind::Deadline,
            Self::Signature { record, .. } => match record.verdict {
                SignatureVerdict::Signed | SignatureVerdict::NotSigned => FailureKind::NotSigned,
                SignatureVerdict::Unanswered => FailureKind::EngineRefused,
            },
            Self::NotStarted(_) => FailureKind::NotStarted,
            Self::Cancelled(_) => FailureKind::Cancelled,
            Self::OutOfTime { .. } => FailureKind::Deadline,
        }
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Engine(error) if error.effect == Effect::Unknown)
    }
}
