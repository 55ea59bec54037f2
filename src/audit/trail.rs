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

use super::chain::{Chain, Entry, SharedHead};
use super::error::TrailError;
use super::event::{AgentStarted, Event, Rejection, TornLineKeptAside, TrailDamaged, Unfinished};
use super::rejections::Rejections;
use super::state::SharedLedger;
use super::writer::{Message, Writer};
use super::{files, stamp};

/// How to open a trail.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Where `audit.jsonl` lives; made with mode 0700 if it is missing.
    pub state_directory: PathBuf,
    /// The agent's own environment; a directory stamped with another one is refused.
    pub environment: String,
    /// Written into every record.
    pub agent_version: String,
    /// Bytes after which the trail goes on in a new file; [`ROTATE_AT`] unless a test says less.
    pub rotate_at: u64,
}

/// Some hundred thousand records: small enough to be read at every start within a blink.
pub const ROTATE_AT: u64 = 64 * 1024 * 1024;

/// What opening found.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// Bytes after the last whole record, moved to a file of their own.
    pub torn: Option<KeptAside>,
    /// Operations without an outcome, oldest first. The caller closes each with
    /// [`Event::OperationInterrupted`] once it has seen what the engine shows.
    pub unfinished: Vec<Unfinished>,
    /// What is wrong with the trail, each already recorded as [`Event::TrailDamaged`].
    pub problems: Vec<String>,
    /// How many tags the ledger knows.
    pub ledger_tags: usize,
    /// Sequence number of the newest record.
    pub seq: u64,
}

/// Bytes that were no whole record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAside {
    /// Name of the file that holds them now, in the state directory.
    pub file: String,
    /// How many.
    pub bytes: u64,
}

/// A record is on disk. `Display` gives `SEQ:HASH`, which `verify --expect` takes: whoever writes
/// it elsewhere (the journal) has an anchor that no one who can write the trail can move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Sequence number of the record.
    pub seq: u64,
    /// SHA-256 of its line, newline included, in hexadecimal.
    pub hash: String,
}

impl std::fmt::Display for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// Under which identity a tag first ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Digest of the manifest in the registry, where it was known.
    pub digest: Option<String>,
    /// Id of the image in the engine.
    pub image_id: String,
    /// When, RFC 3339.
    pub first_ran_at: String,
    /// By which operation.
    pub operation: String,
}

/// More records than this wait only when the disk does not answer.
const BEHIND: usize = 1024;
/// Rejections leave the other half of the queue to operations.
const BEHIND_FOR_REJECTIONS: usize = BEHIND / 2;

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
    head: SharedHead,
}

impl Trail {
    /// Takes the state directory, repairs what a crash left, and writes `agent_started`.
    ///
    /// Blocks for as long as the newest file takes to read, a fraction of a second.
    ///
    /// # Errors
    /// [`TrailError::Locked`] at once when another agent has the directory; the others as they say.
    pub fn open(options: OpenOptions) -> Result<(Self, Opened), TrailError> {
        let directory = &options.state_directory;
        files::own_directory(directory)?;
        let lock = stamp::lock(directory)?;
        stamp::environment(directory, &options.environment)?;
        let (mut chain, found) = Chain::open(&options)?;
        let mut opened = Opened {
            torn: found.torn.last().map(|torn| KeptAside {
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
        opened.seq = chain.state().seq;
        let trail = Self::start(chain, lock)
            .map_err(|error| TrailError::io("start a writer for", directory, &error))?;
        Ok((trail, opened))
    }

    fn start(chain: Chain, lock: File) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let rejections = Arc::new(Rejections::new(Instant::now()));
        let ledger = chain.state().ledger.clone();
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
        if waiting >= BEHIND {
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

    /// Records that a request was turned away, if the budget for that allows; else counts it.
    /// Never waits, never fails.
    pub fn rejected(&self, rejection: Rejection) {
        let now = Instant::now();
        let shared = &self.shared;
        if shared.waiting.load(Ordering::Relaxed) >= BEHIND_FOR_REJECTIONS {
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

    /// The newest durable record.
    pub fn head(&self) -> Receipt {
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
    options: &OpenOptions,
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
pub struct Pending(oneshot::Receiver<Result<Receipt, TrailError>>);

impl Future for Pending {
    type Output = Result<Receipt, TrailError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(TrailError::Closed)))
    }
}
