//! What was asked for, by whom, and how it ended.

use std::fmt;
use std::time::Instant;

use super::failure::Failure;
use crate::access::Requester;
use crate::audit::{Anchor, OperationKind};
use crate::clock;
use crate::domain::{Environment, ImageReference};
use crate::freeze::{Freeze, Frozen};

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
    /// Fetch an image ahead of a deploy.
    Pull {
        /// The validated image.
        image: ImageReference,
    },
    /// Remove images that are not needed.
    Prune {
        /// How many of those that ran last are kept.
        keep: usize,
    },
    /// Refuse deploys.
    Freeze(Freeze),
    /// Take deploys again.
    Thaw,
}

/// When an operation has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// One after the other: what touches the runtime, or images that it may need.
    InOrder,
    /// It begins in order and goes on beside the others: a pull ahead takes long and touches no container, and a stop
    /// does not wait for it.
    Beside,
    /// It does not wait: a freeze counts for what waits already.
    AtOnce,
}

/// A validated request, from its arrival to its end.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Names it in log, trail and answer; sorts by time.
    pub id: String,
    /// What was asked for.
    pub request: Request,
    /// Who asked.
    pub requester: Requester,
    /// `Cf-Ray` of the request, which finds it in Cloudflare's logs.
    pub cf_ray: Option<String>,
    /// `User-Agent` of the request, in which a pipeline may name its run and actor.
    pub user_agent: Option<String>,
    /// `environment` of the request body; informational.
    pub environment_asked: Option<Environment>,
    /// When it arrived; the budget counts from here.
    pub arrived: Instant,
}

/// What an operation achieved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completed {
    /// The container of this image runs, or ran and exited with 0.
    Deployed {
        /// As it was asked for.
        image: ImageReference,
    },
    /// No runtime container is running.
    Stopped,
    /// The engine holds the image, and a deploy of it would be accepted now.
    Pulled {
        /// As it was asked for.
        image: ImageReference,
        /// Its digest in the registry.
        digest: String,
    },
    /// The images that were not needed are gone.
    Pruned {
        /// Their names.
        names: Vec<String>,
    },
    /// Deploys are refused from now on.
    Frozen {
        /// As it was asked for.
        freeze: Freeze,
        /// What held before, which it takes the place of.
        replaced: Option<Frozen>,
    },
    /// Deploys are taken.
    Thawed,
}

/// A sentence for whoever asked at a terminal.
impl fmt::Display for Completed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployed { image } => write!(f, "{image} is deployed"),
            Self::Stopped => f.write_str("no runtime container is running"),
            Self::Pulled { image, digest } => write!(f, "{image} is here, {digest}"),
            Self::Pruned { names } => write!(f, "{} removed", names.len()),
            Self::Frozen { freeze, replaced } => {
                let (until, reason) = (clock::rfc3339(freeze.until), &freeze.reason);
                write!(f, "deploys are frozen until {until}: {reason}")?;
                match replaced {
                    None => Ok(()),
                    Some(Frozen::Until { reason, until, by }) => {
                        write!(f, "; replaces the freeze until {until} by {by}: {reason}")
                    }
                    Some(Frozen::Unreadable(problem)) => {
                        write!(f, "; replaces a freeze that could not be read ({problem})")
                    }
                }
            }
            Self::Thawed => f.write_str("deploys are not frozen"),
        }
    }
}

/// How an operation ended, and which record of the trail says so.
#[derive(Debug)]
pub struct Ended {
    /// Its id; none if it was not admitted, and so never became an operation of the trail.
    pub operation: Option<String>,
    /// The record of its outcome; none if there is none.
    pub audit_head: Option<Anchor>,
    /// What it achieved, or how it failed.
    pub result: Result<Completed, Failure>,
}

impl Operation {
    /// A request that has just been validated, under a new id.
    #[must_use]
    pub fn new(request: Request, requester: Requester, arrived: Instant) -> Self {
        Self {
            id: uuid::Uuid::now_v7().to_string(),
            request,
            requester,
            cf_ray: None,
            user_agent: None,
            environment_asked: None,
            arrived,
        }
    }

    /// Its kind, as records have it.
    #[must_use]
    pub const fn kind(&self) -> OperationKind {
        match self.request {
            Request::Deploy { .. } => OperationKind::Deploy,
            Request::Stop => OperationKind::Stop,
            Request::Pull { .. } => OperationKind::Pull,
            Request::Prune { .. } => OperationKind::Prune,
            Request::Freeze(_) => OperationKind::Freeze,
            Request::Thaw => OperationKind::Thaw,
        }
    }

    /// When it has its turn.
    #[must_use]
    pub const fn turn(&self) -> Turn {
        match self.request {
            Request::Deploy { .. } | Request::Stop | Request::Prune { .. } => Turn::InOrder,
            Request::Pull { .. } => Turn::Beside,
            Request::Freeze(_) | Request::Thaw => Turn::AtOnce,
        }
    }

    /// Whether it acts on the runtime container, as only the contract's API may ask for.
    #[must_use]
    pub const fn is_on_the_runtime(&self) -> bool {
        match self.request {
            Request::Deploy { .. } | Request::Stop => true,
            Request::Pull { .. } | Request::Prune { .. } | Request::Freeze(_) | Request::Thaw => {
                false
            }
        }
    }

    /// Whether it is the emergency stop, which no disk holds up.
    #[must_use]
    pub const fn is_stop(&self) -> bool {
        matches!(self.request, Request::Stop)
    }

    /// The image asked for.
    #[must_use]
    pub fn image(&self) -> Option<&ImageReference> {
        match &self.request {
            Request::Deploy { image } | Request::Pull { image } => Some(image),
            Request::Stop | Request::Prune { .. } | Request::Freeze(_) | Request::Thaw => None,
        }
    }

    /// The freeze asked for.
    #[must_use]
    pub fn freeze(&self) -> Option<&Freeze> {
        if let Request::Freeze(freeze) = &self.request {
            return Some(freeze);
        }
        None
    }

    /// `deploy 1.0.1`, `stop`, `pull 1.0.2`, …
    #[must_use]
    pub fn title(&self) -> String {
        match &self.request {
            Request::Deploy { image } => format!("deploy {}", image.tag().as_str()),
            Request::Stop => "stop".to_owned(),
            Request::Pull { image } => format!("pull {}", image.tag().as_str()),
            Request::Prune { .. } => "prune".to_owned(),
            Request::Freeze(_) => "freeze".to_owned(),
            Request::Thaw => "thaw".to_owned(),
        }
    }
}

impl Ended {
    /// An operation that was not admitted.
    #[must_use]
    pub fn not_admitted(failure: Failure) -> Self {
        Self {
            operation: None,
            audit_head: None,
            result: Err(failure),
        }
    }
}
