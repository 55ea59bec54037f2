//! What was asked for, by whom, and how it ended.

use std::time::Instant;

use super::failure::Failure;
use crate::access::Requester;
use crate::audit::{Anchor, OperationKind};
use crate::domain::{Environment, ImageReference};

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
