//! Keeps the view fresh: follows the engine's events, with an inspect behind each, and one now and then without any. What
//! it sees between operations goes into the trail.
//!
//! Events are hints. They are lost under pressure and at engine restarts, so a periodic inspect stands behind them.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt, stream};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::changes::Whereabouts;
use super::observer::Observer;
use super::view::ViewPublisher;
use crate::audit::{RuntimeObserved, Trail};
use crate::domain::ContainerName;
use crate::engine::{ContainerEvent, Engine, EngineError, EventAction, Observed};

/// Within the age bound of the view: one may fail, one may be late.
const INSPECTS_PER_MAX_AGE: u32 = 3;
/// Between attempts while the engine is absent.
const RECONNECT: Duration = Duration::from_secs(1);
/// A subscription counts from some moment after the request; what happened until then an inspect shows.
const SETTLE: Duration = Duration::from_millis(250);
/// How long an operation waits, before it acts, for what was observed until then.
const TOUCH: Duration = Duration::from_secs(1);
/// The part of it that the engine has to show what is there now.
const LAST_LOOK: Duration = Duration::from_millis(500);
/// So late an event may come behind an inspect that shows what it tells.
const LATE: Duration = Duration::from_millis(100);
/// Events kept for an operation that is busy elsewhere; a restart loop makes a few a second.
const EVENT_BUFFER: usize = 64;

/// What operations ask of the watcher.
#[derive(Clone)]
pub struct WatcherHandle {
    requests: mpsc::Sender<Request>,
    events: broadcast::Sender<ContainerEvent>,
    /// An operation acts on the container.
    own: Arc<AtomicBool>,
}

/// What is asked of the watcher.
enum Request {
    /// An inspect that somebody waits for.
    Refresh {
        done: oneshot::Sender<()>,
        /// The container is not what it was: if the inspect fails, the view is not served until one succeeds.
        changed: bool,
    },
    /// What was observed so far is to be recorded, because the agent ends, or an operation acts from now on.
    Flush {
        done: oneshot::Sender<()>,
        acts: bool,
    },
}

/// The task beside the actor.
pub struct Watcher {
    engine: Engine,
    publisher: ViewPublisher,
    observer: Observer,
    trail: Trail,
    poll: Duration,
    requests: mpsc::Receiver<Request>,
    events: broadcast::Sender<ContainerEvent>,
    /// The subscription counts, and what was before it has been seen.
    listens: bool,
    reachable: Option<bool>,
}

impl WatcherHandle {
    /// Inspects now and returns when the view shows it, or when the inspect has failed. Cancel-safe: the inspect is made
    /// all the same. `changed` says that an operation has acted and that what the view showed so far is no longer true:
    /// what is seen from here on is observed again.
    pub async fn refresh(&self, changed: bool) {
        let (done, refreshed) = oneshot::channel();
        self.ask(Request::Refresh { done, changed }, refreshed)
            .await;
    }

    /// An operation acts on the container from now on: until the refresh behind it nothing is an observation. What
    /// became of the container before is recorded when this returns, unless engine or watcher are slow: then later, as
    /// far as events told.
    pub async fn touch(&self) {
        timeout(TOUCH, self.flush_before(true)).await.ok();
        self.own.store(true, Ordering::Release);
    }

    /// Records what became of the container so far, because the agent ends.
    pub async fn flush(&self) {
        self.flush_before(false).await;
    }

    async fn flush_before(&self, acts: bool) {
        let (done, flushed) = oneshot::channel();
        self.ask(Request::Flush { done, acts }, flushed).await;
    }

    async fn ask(&self, request: Request, done: oneshot::Receiver<()>) {
        if self.requests.send(request).await.is_ok() {
            // A dropped reply means that the watcher is gone, and the process with it.
            drop(done.await);
        }
    }

    /// Events from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<ContainerEvent> {
        self.events.subscribe()
    }
}

impl Watcher {
    /// A watcher of the container of this name, which inspects at least three times within `max_age` and records in
    /// `trail` what no operation did.
    #[must_use]
    pub fn new(
        engine: Engine,
        name: &ContainerName,
        publisher: ViewPublisher,
        trail: Trail,
        max_age: Duration,
    ) -> (Self, WatcherHandle) {
        let (requests_in, requests) = mpsc::channel(8);
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        let own = Arc::new(AtomicBool::new(false));
        let handle = WatcherHandle {
            requests: requests_in,
            events: events.clone(),
            own: Arc::clone(&own),
        };
        (
            Self {
                engine,
                publisher,
                observer: Observer::new(name.as_str().to_owned(), own),
                trail,
                poll: max_age / INSPECTS_PER_MAX_AGE,
                requests,
                events,
                listens: false,
                reachable: None,
            },
            handle,
        )
    }

    /// Runs until every handle is gone. Cancel-safe.
    pub async fn run(mut self) {
        loop {
            let handles_left = match self.engine.events() {
                Ok(stream) => self.follow(stream).await,
                Err(_) => true,
            };
            if !handles_left || !self.pause().await {
                return;
            }
        }
    }

    /// Follows one subscription to its end; false when nobody is left to do it for.
    async fn follow(
        &mut self,
        stream: impl Stream<Item = Result<ContainerEvent, EngineError>> + Unpin,
    ) -> bool {
        let mut stream = stream.fuse();
        let mut next_inspect = Instant::now();
        let mut settled = false;
        self.listens = false;
        loop {
            tokio::select! {
                biased;
                asked = self.requests.recv() => match asked {
                    // One that failed is soon followed by another.
                    Some(asked) => if !self.answer(asked, &mut stream).await { next_inspect = Instant::now() },
                    None => return false,
                },
                event = stream.next() => match event {
                    Some(Ok(event)) => if self.take(event) { next_inspect = Instant::now() },
                    Some(Err(_)) | None => return true,
                },
                () = until(self.observer.due()) => self.conclude().await,
                () = sleep_until(next_inspect) => {
                    let seen = self.inspect().await;
                    self.listens |= settled && seen;
                    next_inspect = Instant::now() + if settled { self.poll } else { SETTLE };
                    settled = true;
                }
            }
        }
    }

    /// Waits before the next subscription, answering refreshes meanwhile.
    async fn pause(&mut self) -> bool {
        self.listens = false;
        self.inspect().await;
        let until = Instant::now() + RECONNECT;
        loop {
            tokio::select! {
                asked = self.requests.recv() => match asked {
                    Some(asked) => drop(self.answer(asked, &mut stream::pending()).await),
                    None => return false,
                },
                () = sleep_until(until) => return true,
            }
        }
    }

    /// Hands an event of our name on; whether an inspect is to follow it at once. It is not shown by itself: whether an end
    /// is one depends on what the engine does next, which the inspect behind every event tells.
    fn take(&mut self, event: ContainerEvent) -> bool {
        if !self.observer.concerns(&event) {
            return false;
        }
        self.observer.take(&event, Instant::now());
        // An inspect behind a signal would wait for the end of the process; a stop and a restart come behind the events
        // that matter.
        let tells = !matches!(
            event.action,
            EventAction::Signalled { .. } | EventAction::Stopped | EventAction::Restarted
        );
        // Nobody listening is the rule: operations are rare.
        self.events.send(event).ok();
        tells
    }

    /// False if an inspect was asked for and failed.
    async fn answer(
        &mut self,
        request: Request,
        events: &mut (impl Stream<Item = Result<ContainerEvent, EngineError>> + Unpin),
    ) -> bool {
        match request {
            Request::Refresh { done, changed } => {
                let succeeded = self.refresh(changed).await;
                // The operation that asked may have been cancelled by the process's end.
                done.send(()).ok();
                succeeded
            }
            Request::Flush { done, acts } => {
                self.flush(events).await;
                if acts {
                    self.observer.rest();
                }
                done.send(()).ok();
                true
            }
        }
    }

    /// Records what was told, and what is seen now.
    async fn flush(
        &mut self,
        events: &mut (impl Stream<Item = Result<ContainerEvent, EngineError>> + Unpin),
    ) {
        while let Some(Some(Ok(event))) = events.next().now_or_never() {
            self.take(event);
        }
        if self.listens && self.observer.due().is_none() {
            // Nothing is under way, and an inspect would show what events have told.
            return;
        }
        let look = timeout(LAST_LOOK, self.look()).await.ok().flatten();
        if let Some((observed, whereabouts)) = &look {
            let late = Instant::now() + LATE;
            while self.observer.lacks(observed.as_ref(), whereabouts)
                && let Ok(Some(Ok(event))) = timeout_at(late, events.next()).await
            {
                self.take(event);
            }
        }
        let seen = look
            .as_ref()
            .map(|(observed, whereabouts)| (observed.as_ref(), whereabouts.clone()));
        let under_way = self.observer.flush(seen, Instant::now());
        self.record(under_way);
    }

    async fn refresh(&mut self, changed: bool) -> bool {
        if !changed {
            return self.inspect().await;
        }
        let observed = self.ask_engine().await;
        self.observer.rebase(observed.as_ref().map(Option::as_ref));
        match observed {
            Some(observed) => {
                self.publisher.publish(observed);
                true
            }
            None => {
                self.publisher.invalidate();
                false
            }
        }
    }

    /// Shows what an inspect shows; whether it succeeded.
    async fn inspect(&mut self) -> bool {
        let Some(observed) = self.ask_engine().await else {
            return false;
        };
        let seen = self.observer.see(observed.as_ref(), Instant::now());
        self.record(seen);
        self.publisher.publish(observed);
        true
    }

    /// Puts what was told and what is seen now into records.
    async fn conclude(&mut self) {
        let Some((observed, whereabouts)) = self.look().await else {
            return self.observer.postpone(Instant::now());
        };
        let records = self
            .observer
            .conclude(observed.as_ref(), whereabouts, Instant::now());
        self.record(records);
        self.publisher.publish(observed);
    }

    /// An inspect, and where the container is that it does not show any more.
    async fn look(&mut self) -> Option<(Option<Observed>, Whereabouts)> {
        let observed = self.ask_engine().await?;
        let whereabouts = match self.observer.missed(observed.as_ref()) {
            None => Whereabouts::Unknown,
            Some(id) => match self.engine.name_of(id).await {
                Ok(Some(name)) => Whereabouts::Named(name),
                Ok(None) => Whereabouts::Gone,
                Err(_) => Whereabouts::Unknown,
            },
        };
        Some((observed, whereabouts))
    }

    fn record(&self, observed: Vec<RuntimeObserved>) {
        for one in observed {
            log::info!("{one}");
            self.trail.observed(one);
        }
    }

    /// One inspect; none if it fails.
    async fn ask_engine(&mut self) -> Option<Option<Observed>> {
        let observed = self.engine.inspect_name().await;
        let reachable = observed.is_ok();
        if let Err(error) = &observed
            && self.reachable != Some(false)
        {
            let hint = self.engine.hint(error);
            log::warn!("the view of the container ages: {error}{hint}");
        }
        if reachable && self.reachable == Some(false) {
            log::info!("the Docker engine answers again");
        }
        self.reachable = Some(reachable);
        observed.ok()
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
