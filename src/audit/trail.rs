//! The handle: what the rest of the agent holds of the trail.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::oneshot;

use super::error::TrailError;
use super::event::{
    AgentStarted, Event, Rejection, RejectionsSuppressed, TrailDamaged, Unfinished,
};
use super::files;
use super::recovery::recover;
use super::rejections::Rejections;
use super::writer::{Message, Writer, continuation};

/// A healthy disk takes thousands of records a second; no operation makes more than some twenty.
const MOST_WAITING: usize = 1024;

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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

/// The trail. Cheap to clone; one thread behind all clones writes.
#[derive(Debug, Clone)]
pub struct Trail {
    shared: Arc<Shared>,
}

/// What the handles and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    messages: Mutex<Option<Sender<Message>>>,
    /// Records that wait to be written.
    pub(super) waiting: AtomicUsize,
    ledger: RwLock<HashMap<String, LedgerEntry>>,
    head: Mutex<Receipt>,
    rejections: Mutex<Rejections>,
}

impl Shared {
    pub(super) fn publish_ledger(&self, ledger: &HashMap<String, LedgerEntry>) {
        let mut shown = self.ledger.write().unwrap_or_else(PoisonError::into_inner);
        shown.clone_from(ledger);
    }

    pub(super) fn publish_head(&self, head: &Receipt) {
        let mut shown = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clone_from(head);
    }

    fn send(&self, message: Message) -> Result<(), TrailError> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = messages.as_ref().map(|messages| messages.send(message));
        sent.and_then(Result::ok).ok_or(TrailError::Closed)
    }
}

impl Trail {
    /// Takes the state directory, repairs what a crash left, and writes `agent_started`.
    ///
    /// Blocks for as long as the newest file takes to read, a fraction of a second.
    ///
    /// # Errors
    /// [`TrailError::Locked`] at once when another agent has the directory; the others as they say.
    /// A disk that takes no record now is no error here but a problem in [`Opened`]: status goes on.
    pub fn open(options: OpenOptions) -> Result<(Self, Opened), TrailError> {
        let directory = options.state_directory.clone();
        files::directory(&directory)?;
        let lock = files::lock(&directory)?;
        files::stamp(&directory, &options.environment)?;
        let mut recovered = recover(&directory)?;
        if let Some(ended) = &recovered.continues {
            let ended = ended.file_name().unwrap_or_default().to_string_lossy();
            let (line, receipt) = continuation(&options, &recovered.chain, &ended)?;
            files::write_whole(&directory.join(files::TRAIL), &line)?;
            recovered.length = line.len() as u64;
            recovered.chain.head = receipt;
        }
        let shared = Arc::new(Shared {
            messages: Mutex::new(None),
            waiting: AtomicUsize::new(0),
            ledger: RwLock::new(recovered.chain.ledger.clone()),
            head: Mutex::new(recovered.chain.head.clone()),
            rejections: Mutex::new(Rejections::new()),
        });
        let mut opened = Opened {
            torn: recovered.torn.as_ref().map(|(kept, _)| kept.clone()),
            unfinished: recovered.chain.unfinished.clone(),
            problems: recovered.problems.clone(),
            ledger_tags: recovered.chain.ledger.len(),
            seq: 0,
        };
        let started = AgentStarted {
            environment: options.environment.clone(),
            pid: std::process::id(),
        };
        let (chain, length) = (recovered.chain, recovered.length);
        let mut writer = Writer::new(options, chain, length, Arc::clone(&shared), lock)?;
        let torn = recovered.torn.map(|(_, event)| event);
        let damages = recovered.problems.into_iter();
        let damages = damages.map(|problem| Event::TrailDamaged(TrailDamaged { problem }));
        let first = torn.into_iter().chain(damages);
        for event in first.chain([Event::AgentStarted(started)]) {
            match writer.write_now(now(), event) {
                Ok(receipt) => opened.seq = receipt.seq,
                Err(error) => {
                    opened
                        .problems
                        .push(format!("nothing can be recorded now: {error}"));
                    break;
                }
            }
        }
        let (messages, received) = channel();
        *shared
            .messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(messages);
        let thread = std::thread::Builder::new().name("audit".to_owned());
        let spawned = thread.spawn(move || writer.run(&received));
        spawned.map_err(|error| TrailError::io("start a thread for", directory, &error))?;
        Ok((Self { shared }, opened))
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
        if let Event::OperationStarted(_) = event {
            let mut rejections = self.shared.rejections.lock();
            let suppressed = rejections.as_mut().map_or_else(|_| None, |r| r.take());
            drop(rejections);
            self.note_suppressed(suppressed);
        }
        let (answer, answered) = oneshot::channel();
        let waiting = self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if waiting >= MOST_WAITING {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            // Its own receiver is right here.
            answer.send(Err(TrailError::Behind(waiting))).ok();
            return Pending(answered);
        }
        let event = Box::new(event);
        let message = Message::Append {
            at: now(),
            event,
            answer,
        };
        if self.shared.send(message).is_err() {
            // The answer went with the message: the receiver says that the trail is closed.
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        Pending(answered)
    }

    /// Whether an operation begun now could be recorded to its end: the file is the agent's own and
    /// writable, and room for the records of an operation is set aside on the disk.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub async fn probe(&self) -> Result<(), TrailError> {
        let (answer, answered) = oneshot::channel();
        self.shared.send(Message::Probe(answer))?;
        answered.await.unwrap_or(Err(TrailError::Closed))
    }

    /// Records that a request was turned away, if the budget for that allows; else counts it.
    /// Never waits, never fails.
    pub fn rejected(&self, rejection: Rejection) {
        let mut rejections = self
            .shared
            .rejections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !rejections.allow(Instant::now()) {
            rejections.suppress(now());
            return;
        }
        let suppressed = rejections.take();
        drop(rejections);
        self.note_suppressed(suppressed);
        drop(self.append(Event::Rejected(rejection)));
    }

    fn note_suppressed(&self, suppressed: Option<RejectionsSuppressed>) {
        if let Some(suppressed) = suppressed {
            drop(self.append(Event::RejectionsSuppressed(suppressed)));
        }
    }

    /// Under which identity `reference` (`repository:tag`) first ran, if ever.
    pub fn ledger_lookup(&self, reference: &str) -> Option<LedgerEntry> {
        let ledger = self
            .shared
            .ledger
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        ledger.get(reference).cloned()
    }

    /// The newest durable record.
    pub fn head(&self) -> Receipt {
        self.shared
            .head
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes what is queued, gives the state directory free and ends the writer. Other clones get
    /// [`TrailError::Closed`] from then on.
    pub async fn close(&self) {
        let suppressed = self
            .shared
            .rejections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.note_suppressed(suppressed);
        let messages = self
            .shared
            .messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (answer, answered) = oneshot::channel();
        if messages.is_some_and(|messages| messages.send(Message::Close(answer)).is_ok()) {
            // A writer that died has nothing left to write.
            answered.await.ok();
        }
    }
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

/// Now in RFC 3339, UTC, milliseconds.
pub(super) fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let (date, time) = (now.date(), now.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )
}
