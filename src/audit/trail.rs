//! The handle: what the rest of the agent holds of the trail.

use std::fs::File;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Instant;

use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::anchor::Anchor;
use super::budget::{self, Budget};
use super::chain::{Chain, Entry, Found};
use super::directory;
use super::doubt::Doubt;
use super::doubts::SharedDoubts;
use super::error::TrailError;
use super::event::{AgentStarted, Event, Rejection, TrailDamaged};
use super::head::SharedHead;
use super::last::{LastOperations, SharedLast};
use super::ledger::LedgerEntry;
use super::lookup;
use super::observation::RuntimeObserved;
use super::options::{Opened, Quarantined, TrailOptions};
use super::state::SharedLedger;
use super::writer::{Message, Writer};

/// More records than this wait only when the disk does not answer.
const MAX_QUEUED: usize = 1024;
/// Rejections and observations leave the other half of the queue to operations.
const MAX_QUEUED_OF_BOUNDED: usize = MAX_QUEUED / 2;

/// The trail. Cheap to clone; one thread behind all clones writes.
#[derive(Debug, Clone)]
pub struct Trail {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// `None` only while this is dropped.
    queue: Option<mpsc::Sender<Message>>,
    writer: Option<JoinHandle<()>>,
    waiting: Arc<AtomicUsize>,
    rejections: Arc<Budget>,
    observations: Arc<Budget>,
    ledger: SharedLedger,
    doubts: SharedDoubts,
    directory: PathBuf,
    last: SharedLast,
    head: SharedHead,
}

impl Trail {
    /// Takes the state directory, repairs what a crash left, and writes `agent_started`.
    ///
    /// Blocks for as long as the newest file takes to read, a fraction of a second.
    ///
    /// # Errors
    /// [`TrailError::Locked`] at once when another agent has the directory; the others as they say.
    pub fn open(options: TrailOptions) -> Result<(Self, Opened), TrailError> {
        let directory = &options.state_directory;
        let lock = directory::take(directory, &options.environment)?;
        let (mut chain, found) = Chain::open(&options)?;
        let mut opened = Opened {
            torn: found.torn.last().map(|torn| Quarantined {
                file: torn.file.clone(),
                bytes: torn.bytes,
            }),
            unfinished: chain.state().unfinished.clone(),
            problems: [&found.told[..], &found.problems[..]].concat(),
            ledger_tags: chain.state().ledger.read().len(),
            seq: 0,
        };
        // A start before this one may have got no further than the names.
        let new_trail = chain.state().newest.seq == 0 && found.problems.is_empty();
        chain.record(&first_records(&options, new_trail, found))?;
        chain.note_head()?;
        opened.seq = chain.state().newest.seq;
        let trail = Self::start(chain, lock, directory.clone())
            .map_err(|error| TrailError::io("start a writer for", directory, &error))?;
        Ok((trail, opened))
    }

    fn start(chain: Chain, lock: File, directory: PathBuf) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let now = Instant::now();
        let rejections = Arc::new(Budget::new(budget::REJECTIONS, now));
        let observations = Arc::new(Budget::new(budget::OBSERVATIONS, now));
        let ledger = chain.state().ledger.clone();
        let doubts = chain.state().doubts.clone();
        let last = chain.state().last.clone();
        let head = chain.head().clone();
        let writer = Writer {
            queue: messages,
            waiting: Arc::clone(&waiting),
            rejections: Arc::clone(&rejections),
            observations: Arc::clone(&observations),
            chain,
            lock,
        };
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self {
            shared: Arc::new(Shared {
                queue: Some(queue),
                writer: Some(writer),
                waiting,
                rejections,
                observations,
                ledger,
                doubts,
                directory,
                last,
                head,
            }),
        })
    }

    /// Records `event`. It is queued, in order, when this returns; awaiting the answer says whether
    /// it is durable. So the answer may be awaited at once, or beside a call to the engine.
    ///
    /// Cancel-safe: the record is written whether or not somebody waits for the answer.
    ///
    /// # Errors
    /// Through the answer: the disk refused ([`TrailError::Io`]; nothing of the record stays in the
    /// file), too many records wait, or the trail is closed.
    pub fn append(&self, event: Event) -> Pending {
        let (answer, pending) = oneshot::channel();
        let pending = Pending(pending);
        let waiting = self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if waiting >= MAX_QUEUED {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            if answer.send(Err(TrailError::Behind(waiting))).is_err() {
                log::error!("{}", TrailError::Behind(waiting));
            }
            return pending;
        }
        // A queue that is closed drops the answer, and the answer that is dropped says so.
        self.shared.send(Message::Record {
            at: OffsetDateTime::now_utc(),
            event: Box::new(event),
            answer,
        });
        pending
    }

    /// Whether an operation begun now could be recorded to its end: the file is the agent's own and
    /// writable, and room for the records of an operation is set aside on the disk.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub async fn probe(&self) -> Result<(), TrailError> {
        let (answer, answered) = oneshot::channel();
        self.shared.send(Message::Probe(answer));
        answered.await.unwrap_or(Err(TrailError::Closed))
    }

    /// Records that a request was rejected, if the budget for that allows; else counts it.
    /// Never waits, never fails.
    pub fn rejected(&self, rejection: Rejection) {
        self.bounded(Event::Rejected(rejection), &self.shared.rejections);
    }

    /// Records what was seen of the runtime container, if the budget for that allows; else counts it.
    /// Never waits, never fails.
    pub fn observed(&self, observed: RuntimeObserved) {
        let event = Event::RuntimeObserved(Box::new(observed));
        self.bounded(event, &self.shared.observations);
    }

    fn bounded(&self, event: Event, budget: &Arc<Budget>) {
        let now = Instant::now();
        let shared = &self.shared;
        if shared.waiting.load(Ordering::Relaxed) >= MAX_QUEUED_OF_BOUNDED {
            budget.suppress(now);
        } else if budget.admit(now) {
            shared.waiting.fetch_add(1, Ordering::Relaxed);
            shared.send(Message::Bounded {
                at: OffsetDateTime::now_utc(),
                event: Box::new(event),
                budget: Arc::clone(budget),
            });
        }
    }

    /// To which identity `reference` (`repository:tag`) is bound, if it was ever deployed.
    pub fn ledger_lookup(&self, reference: &str) -> Option<LedgerEntry> {
        self.shared.ledger.read().get(reference).cloned()
    }

    /// Why the ledger may not know every tag, oldest first; empty when nothing is doubted, or all of it is acknowledged.
    #[must_use]
    pub fn doubts(&self) -> Vec<Doubt> {
        self.shared.doubts.get()
    }

    /// Whether this trail has begun `operation`, or an operator has acknowledged that it has not. Blocks: a trail that
    /// does not know it is read as a whole.
    ///
    /// # Errors
    /// The trail cannot be read.
    pub fn knows_operation(&self, operation: &str) -> io::Result<bool> {
        let named = self.shared.ledger.read().names_operation(operation);
        Ok(named || lookup::knows_operation(&self.shared.directory, operation)?)
    }

    /// How the last operations on the runtime ended, as far back as the newest file of the trail goes.
    pub fn last_operations(&self) -> LastOperations {
        self.shared.last.get()
    }

    /// The newest durable record.
    pub fn head(&self) -> Anchor {
        self.shared.head.get()
    }

    /// Writes what is queued, gives the state directory free and ends the writer. Other clones get
    /// [`TrailError::Closed`] from then on.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        self.shared.send(Message::Close(answer));
        // An error means that it was closed before.
        closed.await.unwrap_or(());
    }
}

impl Shared {
    fn send(&self, message: Message) {
        let sent = self.queue.as_ref().map(|queue| queue.send(message));
        if !matches!(sent, Some(Ok(()))) {
            log::debug!("{}", TrailError::Closed);
        }
    }
}

impl Drop for Shared {
    /// Waits for what is queued, so that the directory is free when the last clone is gone.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            log::error!("the writer of the audit trail panicked");
        }
    }
}

fn first_records(options: &TrailOptions, new_trail: bool, found: Found) -> Vec<Entry> {
    let started = Event::AgentStarted(AgentStarted {
        environment: options.environment.clone(),
        pid: std::process::id(),
        new_trail,
    });
    let damaged = |problem| Event::TrailDamaged(TrailDamaged { problem });
    std::iter::once(started)
        .chain(found.torn.into_iter().map(Event::TornLineKeptAside))
        .chain(found.problems.into_iter().map(damaged))
        .map(|event| (OffsetDateTime::now_utc(), event))
        .collect()
}

/// The answer to an appended record.
#[derive(Debug)]
#[must_use = "a record is durable only when its answer says so"]
pub struct Pending(oneshot::Receiver<Result<Anchor, TrailError>>);

impl Future for Pending {
    type Output = Result<Anchor, TrailError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(TrailError::Closed)))
    }
}
