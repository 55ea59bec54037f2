//! The handle the front end holds: submit, status, drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};

use crate::access::Requester;
use crate::actor::{ContainerActor, Drain, Perform};
use crate::audit::Rejection;
use crate::domain::{ContainerName, Environment, ImageReference, Repository};
use crate::operation::{
    Context as Operations, Ended, Failure, FailureKind, Request, RuntimeState, Ticket,
};
use crate::systemd::Heartbeat;
use crate::view::{RuntimeView, StaleView};

/// The agent as the front end sees it. Cheap to clone.
#[derive(Clone)]
pub struct Agent {
    actor: Addr<ContainerActor>,
    admission: Arc<Semaphore>,
    closing: Arc<AtomicBool>,
    view: RuntimeView,
    operations: Arc<Operations>,
}

/// A request as the front end has validated it.
pub struct Submission {
    /// What to do.
    pub request: Request,
    /// Who asks.
    pub requester: Requester,
    /// `Cf-Ray` of the request.
    pub cf_ray: Option<String>,
    /// `environment` of the body.
    pub environment_asked: Option<Environment>,
    /// When the request arrived.
    pub arrived: Instant,
}

impl Agent {
    /// Starts the actor on the current system; the receiver ends when the actor dies.
    #[must_use]
    pub fn start(
        operations: Operations,
        view: RuntimeView,
        queue_capacity: usize,
        heartbeat: Heartbeat,
    ) -> (Self, oneshot::Receiver<()>) {
        let operations = Arc::new(operations);
        let closing = Arc::new(AtomicBool::new(false));
        let (alive, dead) = oneshot::channel();
        let actor = ContainerActor::new(
            Arc::clone(&operations),
            Arc::clone(&closing),
            heartbeat,
            alive,
        )
        .start();
        // One place for the running operation, the others for those that wait. The mailbox itself bounds nothing:
        // every sender owns a slot of it.
        let admission = Arc::new(Semaphore::new(queue_capacity + 1));
        (
            Self {
                actor,
                admission,
                closing,
                view,
                operations,
            },
            dead,
        )
    }

    /// Queues an operation and waits for its outcome. Dropping the future lets go of the answer only: a started
    /// operation goes on, one that has not started never will.
    ///
    /// What was not admitted ends as a failure without an operation.
    pub async fn submit(&self, submission: Submission) -> Ended {
        let Submission {
            request,
            requester,
            cf_ray,
            environment_asked,
            arrived,
        } = submission;
        if self.closing.load(Ordering::Acquire) {
            return not_admitted(refused(
                FailureKind::ShuttingDown,
                "not started: the agent is shutting down",
            ));
        }
        let Ok(permit) = Arc::clone(&self.admission).try_acquire_owned() else {
            return not_admitted(refused(
                FailureKind::QueueFull,
                "not started: too many operations are waiting; try again when they have ended",
            ));
        };
        let ticket = Ticket {
            id: uuid::Uuid::now_v7().to_string(),
            request,
            requester,
            cf_ray,
            environment_asked,
            arrived,
        };
        let operation = ticket.id.clone();
        let (reply, outcome) = oneshot::channel();
        // Not `send`: actix silently drops a queued message whose reply nobody awaits.
        self.actor.do_send(Perform {
            ticket,
            permit,
            reply,
        });
        outcome.await.unwrap_or_else(|_| {
            let reason = "the agent failed while the operation was queued or running; the state of the runtime container is unknown, read the status";
            let failure = Failure { kind: FailureKind::Panicked, step: None, reason: reason.to_owned(), state: RuntimeState::Unknown, unknown: true };
            Ended { operation: Some(operation), audit_head: None, result: Err(failure) }
        })
    }

    /// The status reply, serialised. Never waits for anything.
    ///
    /// # Errors
    /// The view is older than its bound.
    pub fn status(&self) -> Result<Bytes, StaleView> {
        self.view.status_body()
    }

    /// Admits nothing more, and returns when the running operation has ended. Cancel-safe.
    pub async fn drain(&self) {
        self.closing.store(true, Ordering::Release);
        // A dead actor has nothing to drain.
        self.actor.send(Drain).await.ok();
    }

    /// This agent's environment.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.operations.environment
    }

    /// The fixed container name.
    #[must_use]
    pub fn container_name(&self) -> &ContainerName {
        &self.operations.runtime.container_name
    }

    /// The one repository that is allowed.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.operations.runtime.repository
    }

    /// Records a request that was refused before it became an operation; the trail bounds how many.
    pub fn refused(&self, rejection: Rejection) {
        self.operations.trail.rejected(rejection);
    }

    /// Parses an image by this agent's rules.
    ///
    /// # Errors
    /// The image is not one this agent may deploy.
    pub fn parse_image(&self, text: &str) -> Result<ImageReference, crate::domain::ImageError> {
        ImageReference::parse(text, self.repository(), self.environment())
    }
}

fn not_admitted(failure: Failure) -> Ended {
    Ended {
        operation: None,
        audit_head: None,
        result: Err(failure),
    }
}

fn refused(kind: FailureKind, reason: &str) -> Failure {
    Failure {
        kind,
        step: None,
        reason: reason.to_owned(),
        state: RuntimeState::Untouched,
        unknown: false,
    }
}
