//! The `ContainerActor`: ordering and nothing else.
//!
//! Only `AtomicResponse` keeps async messages one after the other; while one runs, nothing else of this actor is
//! polled, its interval included. So the heartbeat beats inside the running operation too.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::operation::{
    Context as Operations, Ended, Failure, FailureKind, Run, RuntimeState, Ticket,
};
use crate::systemd::Heartbeat;

/// How far past its budget an operation may go before it counts as wedged: a stop that began always ends.
const OVERTIME: Duration = Duration::from_secs(60);

/// One admitted operation on its way to the actor.
pub struct Perform {
    /// What to do.
    pub ticket: Ticket,
    /// Its place among the waiting and the running.
    pub permit: OwnedSemaphorePermit,
    /// Where the outcome goes; closed when its client is gone, and one that has not started then never starts. Not the
    /// mailbox's own reply: actix drops a queued message whose reply nobody awaits.
    pub reply: oneshot::Sender<Ended>,
}

impl Message for Perform {
    type Result = ();
}

/// Travels behind everything that was admitted; its answer means that the mailbox is empty.
pub struct Drain;

impl Message for Drain {
    type Result = ();
}

/// Owns the runtime container. There is one.
pub struct ContainerActor {
    operations: Arc<Operations>,
    closing: Arc<AtomicBool>,
    heartbeat: Heartbeat,
    /// Dropped with the actor: that is how the process learns of its death.
    _alive: oneshot::Sender<()>,
}

impl ContainerActor {
    /// An actor whose death closes `alive`.
    #[must_use]
    pub fn new(
        operations: Arc<Operations>,
        closing: Arc<AtomicBool>,
        heartbeat: Heartbeat,
        alive: oneshot::Sender<()>,
    ) -> Self {
        Self {
            operations,
            closing,
            heartbeat,
            _alive: alive,
        }
    }
}

impl Actor for ContainerActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if let Some(every) = self.heartbeat.every() {
            context.run_interval(every, |actor, _| actor.heartbeat.beat());
        }
    }
}

impl Handler<Perform> for ContainerActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, message: Perform, _: &mut Self::Context) -> Self::Result {
        let operations = Arc::clone(&self.operations);
        let heartbeat = self.heartbeat.clone();
        let closing = self.closing.load(Ordering::Acquire);
        AtomicResponse::new(Box::pin(
            perform(operations, heartbeat, closing, message).into_actor(self),
        ))
    }
}

impl Handler<Drain> for ContainerActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(std::future::ready(()).into_actor(self)))
    }
}

async fn perform(
    operations: Arc<Operations>,
    heartbeat: Heartbeat,
    closing: bool,
    message: Perform,
) {
    let Perform {
        ticket,
        permit,
        reply,
    } = message;
    let ended = if closing {
        let failure = not_begun(
            FailureKind::ShuttingDown,
            "not started: the agent is shutting down",
        );
        Run::not_begun(&operations, &ticket, failure).await
    } else if reply.is_closed() {
        let failure = not_begun(
            FailureKind::Abandoned,
            "not started: the client was gone before its turn came",
        );
        Run::not_begun(&operations, &ticket, failure).await
    } else {
        let limit = ticket.arrived + operations.rules.budget + OVERTIME;
        beating(&heartbeat, limit, Run::perform(&operations, &ticket)).await
    };
    // The place is free before the answer is out, so that the client's next request finds it free.
    drop(permit);
    if reply.send(ended).is_err() {
        log::warn!(
            "operation={} {} ended after its client had left",
            ticket.id,
            ticket.title()
        );
    }
}

fn not_begun(kind: FailureKind, reason: &str) -> Failure {
    Failure {
        kind,
        step: None,
        reason: reason.to_owned(),
        state: RuntimeState::Untouched,
        unknown: false,
    }
}

/// Polls the operation and the heartbeat in the actor's own task; past the limit the heart stops, and systemd acts.
async fn beating<T>(
    heartbeat: &Heartbeat,
    limit: std::time::Instant,
    work: impl Future<Output = T>,
) -> T {
    let Some(every) = heartbeat.every() else {
        return work.await;
    };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = tokio::time::sleep(every) => if std::time::Instant::now() < limit { heartbeat.beat() },
        }
    }
}
