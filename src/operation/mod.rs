//! The heart: what an operation is, the straight line of a deploy, the straight line of a stop.
//!
//! One road to the engine, [`Run::step`]: it publishes what is being done, records the intent, acts under the step's
//! deadline, records the outcome and tags the failure with the step. No retries, no rollback, no fallback.

mod confirm;
mod deploy;
mod failure;
mod preflight;
mod record;
mod run;
mod stop;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::access::Requester;
use crate::audit::{Anchor, Fingerprinter, Trail};
use crate::domain::{Environment, ImageReference};
use crate::engine::Engine;
use crate::settings::{OperationSettings, RuntimeSettings};
use crate::view::Activity;
use crate::watcher::WatcherHandle;

pub use failure::{Failure, FailureKind, RuntimeState};
pub use preflight::{bind_source, read_env_file};
pub use record::record_interrupted;
pub use run::{Run, pulling};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Deploy or replace.
    Deploy {
        /// The validated image.
        image: ImageReference,
    },
    /// Stop and remove.
    Stop,
}

/// What an operation achieved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The container of this image runs, or ran and exited with 0.
    Deployed {
        /// As it was asked for.
        image: ImageReference,
    },
    /// No runtime container is running.
    Stopped,
}

/// How an admitted operation ended, and which record of the trail says so.
#[derive(Debug)]
pub struct Ended {
    /// Names it in log and trail; none if it was not admitted.
    pub operation: Option<String>,
    /// The record of its outcome; none if there is none.
    pub audit_head: Option<Anchor>,
    /// What it achieved, or how it failed.
    pub result: Result<Done, Failure>,
}

/// The steps, in the order in which they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Everything that can be checked without touching anything.
    Preflight,
    /// Pull the image.
    Pull,
    /// Check what was pulled, and look at what is to be replaced.
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

    /// Whether the step waits until its intent is on the disk. The others only look, or come between the stop and the
    /// start, where the disk's time would be the runtime's downtime: what they do is announced by the durable intents
    /// of the operation and of the stop, and their own records are made durable beside the act.
    const fn is_announced_on_disk(self) -> bool {
        matches!(self, Self::Pull | Self::Stop | Self::Halt)
    }
}

/// An admitted request.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Sorts by time.
    pub id: String,
    /// What was asked for.
    pub request: Request,
    /// Who asked.
    pub requester: Requester,
    /// `Cf-Ray` of the request, which finds it in Cloudflare's logs.
    pub cf_ray: Option<String>,
    /// `environment` of the request body; informational.
    pub environment_asked: Option<Environment>,
    /// When it arrived; the budget counts from here.
    pub arrived: Instant,
}

impl Ticket {
    /// `deploy` or `stop`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.request {
            Request::Deploy { .. } => "deploy",
            Request::Stop => "stop",
        }
    }

    /// The image asked for.
    #[must_use]
    pub fn image(&self) -> Option<&ImageReference> {
        match &self.request {
            Request::Deploy { image } => Some(image),
            Request::Stop => None,
        }
    }

    /// `deploy 1.0.1` or `stop`.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.request {
            Request::Deploy { image } => format!("deploy {}", image.tag().as_str()),
            Request::Stop => "stop".to_owned(),
        }
    }
}

/// What every operation works with.
pub struct Context {
    /// This agent's environment.
    pub environment: Environment,
    /// The engine.
    pub engine: Engine,
    /// What the container is made of.
    pub runtime: RuntimeSettings,
    /// Pace and rules.
    pub rules: OperationSettings,
    /// Directory of Docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// The audit trail.
    pub trail: Trail,
    /// Keyed fingerprints of what must not be written down.
    pub fingerprinter: Fingerprinter,
    /// Keyed fingerprint of the agent's own settings.
    pub settings_fingerprint: String,
    /// The task that keeps the view.
    pub watcher: WatcherHandle,
    /// What is being done.
    pub activity: watch::Sender<Activity>,
}

impl Context {
    /// The shortest time an operation must be left with to be started at all.
    fn least_time(&self, request: &Request) -> Duration {
        match request {
            Request::Deploy { .. } => self.rules.reserve_after_pull(),
            Request::Stop => self.rules.reserve_for_stop(),
        }
    }
}
