//! Keeps the view fresh: follows the engine's events, with an inspect behind each, and one now and then without any.
//!
//! Events are hints. They are lost under pressure and at engine restarts, so a periodic inspect stands behind them.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::view::ViewPublisher;
use crate::engine::{ContainerEvent, Engine, EngineError, EventAction};

/// Within the age bound of the view: one may fail, one may be late.
const INSPECTS_PER_MAX_AGE: u32 = 3;
/// Between attempts while the engine is absent.
const RECONNECT: Duration = Duration::from_secs(1);
/// A subscription counts from some moment after the request; what happened until then an inspect shows.
const SETTLE: Duration = Duration::from_millis(250);
/// Events kept for an operation that is busy elsewhere; a restart loop makes a few a second.
const EVENT_BUFFER: usize = 64;

/// What operations ask of the watcher.
#[derive(Clone)]
pub struct WatcherHandle {
    refresh: mpsc::Sender<Refresh>,
    events: broadcast::Sender<ContainerEvent>,
}

/// An inspect that somebody waits for.
struct Refresh {
    done: oneshot::Sender<()>,
    /// The container is not what it was: if the inspect fails, the view is not served until one succeeds.
    changed: bool,
}

/// The task beside the actor.
pub struct Watcher {
    engine: Engine,
    publisher: ViewPublisher,
    poll: Duration,
    refresh: mpsc::Receiver<Refresh>,
    events: broadcast::Sender<ContainerEvent>,
    reachable: Option<bool>,
}

impl WatcherHandle {
    /// Inspects now and returns when the view shows it, or when the inspect has failed. Cancel-safe: the inspect is made all the same. `changed` says that what the view
    /// showed so far is no longer true.
    pub async fn refresh(&self, changed: bool) {
        let (done, refreshed) = oneshot::channel();
        let asked = Refresh { done, changed };
        if self.refresh.send(asked).await.is_ok() {
            // A dropped reply means that the watcher is gone, and the process with it.
            drop(refreshed.await);
        }
    }

    /// Events from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<ContainerEvent> {
        self.events.subscribe()
    }
}

impl Watcher {
    /// A watcher that inspects at least three times within `max_age`.
    #[must_use]
    pub fn new(
        engine: Engine,
        publisher: ViewPublisher,
        max_age: Duration,
    ) -> (Self, WatcherHandle) {
        let (refresh_in, refresh) = mpsc::channel(8);
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        let handle = WatcherHandle {
            refresh: refresh_in,
            events: events.clone(),
        };
        (
            Self {
                engine,
                publisher,
                poll: max_age / INSPECTS_PER_MAX_AGE,
                refresh,
                events,
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
        mut stream: impl Stream<Item = Result<ContainerEvent, EngineError>> + Unpin,
    ) -> bool {
        let mut next_inspect = Instant::now();
        let mut settled = false;
        loop {
            tokio::select! {
                biased;
                asked = self.refresh.recv() => match asked {
                    // One that failed is soon followed by another.
                    Some(asked) => if !self.inspect_for(asked).await { next_inspect = Instant::now() },
                    None => return false,
                },
                event = stream.next() => match event {
                    Some(Ok(event)) => {
                        if event.action != EventAction::AskedToEnd {
                            next_inspect = Instant::now();
                        }
                        self.take(event);
                    }
                    Some(Err(_)) | None => return true,
                },
                () = sleep_until(next_inspect) => {
                    self.inspect().await;
                    next_inspect = Instant::now() + if settled { self.poll } else { SETTLE };
                    settled = true;
                }
            }
        }
    }

    /// Waits before the next subscription, answering refreshes meanwhile.
    async fn pause(&mut self) -> bool {
        self.inspect().await;
        let until = Instant::now() + RECONNECT;
        loop {
            tokio::select! {
                asked = self.refresh.recv() => match asked {
                    Some(asked) => drop(self.inspect_for(asked).await),
                    None => return false,
                },
                () = sleep_until(until) => return true,
            }
        }
    }

    /// Hands an event on. It is not shown by itself: whether an end is one depends on what the engine does next, which
    /// the inspect behind every event tells.
    fn take(&self, event: ContainerEvent) {
        // Nobody listening is the rule: operations are rare.
        self.events.send(event).ok();
    }

    /// Whether the inspect succeeded.
    async fn inspect_for(&mut self, asked: Refresh) -> bool {
        let Refresh { done, changed } = asked;
        let succeeded = self.inspect().await;
        if changed && !succeeded {
            self.publisher.invalidate();
        }
        // The operation that asked may have been cancelled by the process's end.
        done.send(()).ok();
        succeeded
    }

    async fn inspect(&mut self) -> bool {
        let observed = self.engine.inspect_name().await;
        let reachable = observed.is_ok();
        match observed {
            Ok(observed) => self.publisher.publish(observed),
            Err(error) if self.reachable != Some(false) => {
                log::warn!("the view of the container ages: {error}")
            }
            Err(_) => {}
        }
        if reachable && self.reachable == Some(false) {
            log::info!("the Docker engine answers again");
        }
        self.reachable = Some(reachable);
        reachable
    }
}
