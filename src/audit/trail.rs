//! The handle: what the rest of the agent holds of the trail.

use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Instant;

use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::anchor::Anchor;
use super::chain::{Chain, Entry};
use super::directory;
use super::error::TrailError;
use super::event::{AgentStarted, Event, Rejection, TornLineKeptAside, TrailDamaged};
use super::head::SharedHead;
use super::last::{LastOperations, SharedLast};
use super::ledger::LedgerEntry;
use super::options::{Opened, Quarantined, TrailOptions};
use super::rejections::Rejections;
use super::state::SharedLedger;
use super::writer::{Message, Writer};

/// More records than this wait only when the disk does not answer.
const MAX_QUEUED: usize = 1024;
/// Rejections leave the other half of the queue to operations.
const MAX_QUEUED_FOR_REJECTIONS: usize = MAX_QUEUED / 2;

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
    rejections: Arc<Rejections>,
    ledger: SharedLedger,
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
            problems: [found.told, found.problems.clone()].concat(),
            ledger_tags: chain.state().ledger.read().len(),
            seq: 0,
        };
        chain.record(&first_records(&options, found.torn, found.problems))?;
        chain.note_head()?;
        opened.seq = chain.state().newest.seq;
        let trail = Self::start(chain, lock)
            .map_err(|error| TrailError::io("start a writer for", directory, &error))?;
        Ok((trail, opened))
    }

    fn start(chain: Chain, lock: File) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let rejections = Arc::new(Rejections::new(Instant::now()));
        let ledger = chain.state().ledger.clone();
        let last = chain.state().last.clone();
        let head = chain.head().clone();
        let writer = Writer {
            queue: messages,
            waiting: Arc::clone(&waiting),
            rejections: Arc::clone(&rejections),
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
                ledger,
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
        let now = Instant::now();
        let shared = &self.shared;
        if shared.waiting.load(Ordering::Relaxed) >= MAX_QUEUED_FOR_REJECTIONS {
            shared.rejections.suppress(now);
        } else if shared.rejections.admit(now) {
            shared.waiting.fetch_add(1, Ordering::Relaxed);
            shared.send(Message::Rejected {
                at: OffsetDateTime::now_utc(),
                rejection: Box::new(rejection),
            });
        }
    }

    /// Under which identity `reference` (`repository:tag`) first ran, if ever.
    pub fn ledger_lookup(&self, reference: &str) -> Option<LedgerEntry> {
        self.shared.ledger.read().get(reference).cloned()
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

fn first_records(
    options: &TrailOptions,
    torn: Vec<TornLineKeptAside>,
    problems: Vec<String>,
) -> Vec<Entry> {
    let started = Event::AgentStarted(AgentStarted {
        environment: options.environment.clone(),
        pid: std::process::id(),
    });
    let damaged = |problem| Event::TrailDamaged(TrailDamaged { problem });
    std::iter::once(started)
        .chain(torn.into_iter().map(Event::TornLineKeptAside))
        .chain(problems.into_iter().map(damaged))
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
