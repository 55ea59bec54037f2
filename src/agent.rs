//! The handle the front end holds: submit, status, drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};

use crate::actor::{ContainerActor, Drain, Perform};
use crate::audit::Rejection;
use crate::domain::{ContainerName, Environment, ImageReference, Repository};
use crate::operation::{Ended, Failure, FailureKind, Operation, OperationDeps, RuntimeState};
use crate::runtime::{RuntimeView, StaleView};
use crate::systemd::Heartbeat;

/// The agent as the front end sees it. Cheap to clone.
#[derive(Clone)]
pub struct Agent {
    actor: Addr<ContainerActor>,
    admission: Arc<Semaphore>,
    closing: Arc<AtomicBool>,
    view: RuntimeView,
    deps: Arc<OperationDeps>,
}

impl Agent {
    /// Starts the actor on the current system; the receiver ends when the actor dies.
    #[must_use]
    pub fn start(
        deps: OperationDeps,
        view: RuntimeView,
        queue_capacity: usize,
        heartbeat: Heartbeat,
    ) -> (Self, oneshot::Receiver<()>) {
        let deps = Arc::new(deps);
        let closing = Arc::new(AtomicBool::new(false));
        let (alive, dead) = oneshot::channel();
        let actor =
            ContainerActor::new(Arc::clone(&deps), Arc::clone(&closing), heartbeat, alive).start();
        // One place for the running operation, the others for those that wait. The mailbox itself bounds nothing:
        // every sender owns a slot of it.
        let admission = Arc::new(Semaphore::new(queue_capacity + 1));
        (
            Self {
                actor,
                admission,
                closing,
                view,
                deps,
            },
            dead,
        )
    }

    /// Queues an operation and waits for its outcome. Dropping the future lets go of the answer only: a started
    /// operation goes on, one that has not started never will.
    ///
    /// What was not admitted ends as a failure without an operation.
    pub async fn submit(&self, operation: Operation) -> Ended {
        if self.closing.load(Ordering::Acquire) {
            let reason = "not started: the agent is shutting down";
            return Ended::not_admitted(Failure::before_start(FailureKind::ShuttingDown, reason));
        }
        let Ok(permit) = Arc::clone(&self.admission).try_acquire_owned() else {
            let reason =
                "not started: too many operations are waiting; try again when they have ended";
            return Ended::not_admitted(Failure::before_start(FailureKind::QueueFull, reason));
        };
        let id = operation.id.clone();
        let (reply, outcome) = oneshot::channel();
        // Not `send`: actix silently drops a queued message whose reply nobody awaits.
        self.actor.do_send(Perform {
            operation,
            permit,
            reply,
        });
        outcome.await.unwrap_or_else(|_| Ended {
            operation: Some(id),
            audit_head: None,
            result: Err(actor_died()),
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
        self.deps.environment
    }

    /// The fixed container name.
    #[must_use]
    pub fn container_name(&self) -> &ContainerName {
        &self.deps.runtime.container_name
    }

    /// The one repository that is allowed.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.deps.runtime.repository
    }

    /// Records a request that was rejected before it became an operation; the trail bounds how many.
    pub fn record_rejection(&self, rejection: Rejection) {
        self.deps.trail.rejected(rejection);
    }

    /// Parses an image by this agent's rules.
    ///
    /// # Errors
    /// The image is not one this agent may deploy.
    pub fn parse_image(&self, text: &str) -> Result<ImageReference, crate::domain::ImageError> {
        ImageReference::parse(text, self.repository(), self.environment())
    }
}

fn actor_died() -> Failure {
    let reason = "the agent failed while the operation was queued or running; the state of the runtime container is \
                  unknown, read the status";
    Failure {
        kind: FailureKind::Panicked,
        step: None,
        reason: reason.to_owned(),
        state: RuntimeState::Unknown,
        unknown: true,
    }
}
