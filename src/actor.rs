//! The `ContainerActor`: ordering and nothing else.
//!
//! Only `AtomicResponse` keeps async messages one after the other; while one runs, nothing else of this actor is
//! polled, its interval included. So the heartbeat beats inside the running operation too, and a pull ahead, which may
//! take an hour, leaves the order as soon as it has begun.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::operation::{
    Ended, Failure, FailureKind, Operation, OperationDeps, Turn, not_started, perform,
};
use crate::systemd::Heartbeat;

/// How far past its budget an operation may go before it counts as wedged: a stop that began always ends.
const OVERTIME: Duration = Duration::from_secs(60);

/// One admitted operation on its way to the actor.
pub struct Perform {
    /// What to do.
    pub operation: Operation,
    /// Its place among the waiting and the running.
    pub permit: OwnedSemaphorePermit,
    /// Of a pull ahead: the right to fetch images, until it has ended.
    pub images: Option<OwnedSemaphorePermit>,
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
    deps: Arc<OperationDeps>,
    closing: watch::Receiver<bool>,
    heartbeat: Heartbeat,
    /// Dropped with the actor: that is how the process learns of its death.
    _alive: oneshot::Sender<()>,
}

impl ContainerActor {
    /// An actor whose death closes `alive`.
    #[must_use]
    pub fn new(
        deps: Arc<OperationDeps>,
        closing: watch::Receiver<bool>,
        heartbeat: Heartbeat,
        alive: oneshot::Sender<()>,
    ) -> Self {
        Self {
            deps,
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
        let deps = Arc::clone(&self.deps);
        let heartbeat = self.heartbeat.clone();
        let closing = self.closing.clone();
        AtomicResponse::new(Box::pin(
            handle(deps, heartbeat, closing, message).into_actor(self),
        ))
    }
}

impl Handler<Drain> for ContainerActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(std::future::ready(()).into_actor(self)))
    }
}

async fn handle(
    deps: Arc<OperationDeps>,
    heartbeat: Heartbeat,
    closing: watch::Receiver<bool>,
    message: Perform,
) {
    let refused = if *closing.borrow() {
        let reason = "not started: the agent is shutting down";
        Some(Failure::before_start(FailureKind::ShuttingDown, reason))
    } else if message.reply.is_closed() {
        let reason = "not started: the client was gone before its turn came";
        Some(Failure::before_start(FailureKind::Abandoned, reason))
    } else {
        None
    };
    match refused {
        Some(failure) => {
            let ended = not_started(&deps, &message.operation, failure).await;
            answer(message, ended);
        }
        None if message.operation.turn() == Turn::Beside => {
            tokio::spawn(carry_out(deps, closing, message));
        }
        None => {
            let limit = message.operation.arrived + deps.limits.budget + OVERTIME;
            beating(&heartbeat, limit, carry_out(deps, closing, message)).await;
        }
    }
}

/// Runs the operation to its end and answers.
pub(crate) async fn carry_out(
    deps: Arc<OperationDeps>,
    mut closing: watch::Receiver<bool>,
    mut message: Perform,
) {
    let reply = &mut message.reply;
    let cancelled = async {
        tokio::select! {
            () = reply.closed() => "whoever asked for it has ended it",
            // An end of the channel is the agent's.
            _ = closing.wait_for(|closing| *closing) => "the agent is shutting down",
        }
    };
    let ended = perform(&deps, &message.operation, cancelled).await;
    answer(message, ended);
}

/// The places are free before the answer is out, so that the client's next request finds them free.
fn answer(message: Perform, ended: Ended) {
    let Perform {
        operation,
        permit,
        images,
        reply,
    } = message;
    drop((permit, images));
    if reply.send(ended).is_err() {
        log::warn!(
            "operation={} {} ended after its client had left",
            operation.id,
            operation.title()
        );
    }
}

/// Polls the operation and the heartbeat in the actor's own task; past the limit the beat stops, and systemd acts.
async fn beating<T>(heartbeat: &Heartbeat, limit: Instant, work: impl Future<Output = T>) -> T {
    let Some(every) = heartbeat.every() else {
        return work.await;
    };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = tokio::time::sleep(every) => if Instant::now() < limit { heartbeat.beat() },
        }
    }
}
