//! The handle both faces hold: submit, status, drain.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::actor::{ContainerActor, Drain, Perform, carry_out};
use crate::audit::{Counts, Rejection};
use crate::domain::{ContainerName, Environment, ImageReference, Repository};
use crate::engine::{Engine, EngineError};
use crate::operation::{
    Ended, Failure, FailureKind, Operation, OperationDeps, RuntimeState, Turn, Unneeded, unneeded,
};
use crate::overview::Overview;
use crate::runtime::{Activity, RuntimeView, StaleView};
use crate::systemd::Heartbeat;

/// Commands of an operator that run or wait at a time.
const OPERATOR_PLACES: usize = 4;
/// The longest wait for another pull ahead, or a prune, to end.
const IMAGES_TIMEOUT: Duration = Duration::from_secs(1);

/// The agent as its faces see it. Cheap to clone.
#[derive(Clone)]
pub struct Agent {
    actor: Addr<ContainerActor>,
    /// Places of the operator's own commands, which never take one of the API's.
    operator: Arc<Semaphore>,
    closing: Arc<watch::Sender<bool>>,
    view: RuntimeView,
    deps: Arc<OperationDeps>,
}

impl Agent {
    /// Starts the actor on the current system; the receiver ends when the actor dies.
    #[must_use]
    pub fn start(
        deps: OperationDeps,
        view: RuntimeView,
        heartbeat: Heartbeat,
    ) -> (Self, oneshot::Receiver<()>) {
        let deps = Arc::new(deps);
        let (closing, closing_seen) = watch::channel(false);
        let (alive, dead) = oneshot::channel();
        let actor = ContainerActor::new(Arc::clone(&deps), closing_seen, heartbeat, alive).start();
        (
            Self {
                actor,
                operator: Arc::new(Semaphore::new(OPERATOR_PLACES)),
                closing: Arc::new(closing),
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
        let id = operation.id.clone();
        let (reply, outcome) = oneshot::channel();
        let images = match operation.turn() {
            Turn::InOrder | Turn::AtOnce => None,
            Turn::Beside => match self.images().await {
                Ok(images) => Some(images),
                Err(failure) => return Ended::not_admitted(failure),
            },
        };
        if let Err(failure) = self.hand_on(operation, images, reply) {
            return Ended::not_admitted(failure);
        }
        outcome.await.unwrap_or_else(|_| Ended {
            operation: Some(id),
            audit_head: None,
            result: Err(actor_died()),
        })
    }

    /// The right to fetch images, for a pull ahead; one that was just ended may be about to give it back.
    async fn images(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let images = Arc::clone(&self.deps.images).acquire_owned();
        let taken = tokio::time::timeout(IMAGES_TIMEOUT, images).await;
        taken.ok().and_then(Result::ok).ok_or_else(|| {
            let reason = "not started: images are being pulled ahead or pruned; try again when that has ended";
            Failure::before_start(FailureKind::Busy, reason)
        })
    }

    fn hand_on(
        &self,
        operation: Operation,
        images: Option<OwnedSemaphorePermit>,
        reply: oneshot::Sender<Ended>,
    ) -> Result<(), Failure> {
        let refused = |kind, reason: &str| Err(Failure::before_start(kind, reason));
        if *self.closing.borrow() {
            return refused(
                FailureKind::ShuttingDown,
                "not started: the agent is shutting down",
            );
        }
        // The mailbox itself bounds nothing: every sender owns a slot of it.
        let permit = match operation.is_on_the_runtime() {
            true => self.deps.admission.admit(),
            false => Arc::clone(&self.operator).try_acquire_owned().ok(),
        };
        let Some(permit) = permit else {
            return refused(
                FailureKind::QueueFull,
                "not started: too many operations are waiting; try again when they have ended",
            );
        };
        let message = Perform {
            operation,
            permit,
            images,
            reply,
        };
        match message.operation.turn() {
            // Not `send`: actix silently drops a queued message whose reply nobody awaits.
            Turn::InOrder | Turn::Beside => self.actor.do_send(message),
            Turn::AtOnce => {
                let (deps, closing) = (Arc::clone(&self.deps), self.closing.subscribe());
                tokio::spawn(carry_out(deps, closing, message));
            }
        }
        Ok(())
    }

    /// The status reply, serialised. Never waits for anything.
    ///
    /// # Errors
    /// The view is older than its bound.
    pub fn status(&self) -> Result<Bytes, StaleView> {
        self.view.status_body()
    }

    /// Admits nothing more, ends a pull ahead, and returns when the running operation has ended. Cancel-safe.
    pub async fn drain(&self) {
        self.closing.send_replace(true);
        // A dead actor has nothing to drain.
        self.actor.send(Drain).await.ok();
        // Nobody closes it: what comes back is the end of a pull, or at once.
        drop(self.deps.images.acquire().await);
    }

    /// What a prune would remove now.
    ///
    /// # Errors
    /// The engine does not say which images there are, or which are in use.
    pub async fn unneeded_images(&self, keep: usize) -> Result<Vec<Unneeded>, EngineError> {
        unneeded(&self.deps, keep).await
    }

    /// What is the case now. Never waits for an operation.
    #[must_use]
    pub fn overview(&self) -> Overview {
        Overview::of(&self.deps, &self.view)
    }

    /// How many operations ended, and how long they took.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.deps.trail.last_operations().counts
    }

    /// What is done in the order of the operations, as it goes on.
    #[must_use]
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.deps.activity.subscribe()
    }

    /// The pull that runs ahead of a deploy, as it goes on.
    #[must_use]
    pub fn pulling(&self) -> watch::Receiver<Activity> {
        self.deps.pulling.subscribe()
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.deps.engine
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
