//! The handle: what the rest of the agent holds of the trail.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::error::TrailError;
use super::event::{Event, Rejection, Unfinished};

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

/// The trail. Cheap to clone; one thread behind all clones writes.
#[derive(Debug, Clone)]
pub struct Trail {}

impl Trail {
    /// Takes the state directory, repairs what a crash left, and writes `agent_started`.
    ///
    /// Blocks for as long as the newest file takes to read, a fraction of a second.
    ///
    /// # Errors
    /// [`TrailError::Locked`] at once when another agent has the directory; the others as they say.
    pub fn open(_options: OpenOptions) -> Result<(Self, Opened), TrailError> {
        Err(TrailError::Closed)
    }

    /// Records `event`. It is queued, in order, when this returns; awaiting the answer says whether
    /// it is durable. So the answer may be awaited at once, or beside a call to the engine.
    ///
    /// Cancel-safe: the record is written whether or not somebody waits for the answer.
    ///
    /// # Errors
    /// Through the answer: the disk refused ([`TrailError::Io`]; nothing of the record stays in the
    /// file), too many records wait, or the trail is closed.
    pub fn append(&self, _event: Event) -> Pending {
        Pending(oneshot::channel().1)
    }

    /// Whether an operation begun now could be recorded to its end: the file is the agent's own and
    /// writable, and room for the records of an operation is set aside on the disk.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub async fn probe(&self) -> Result<(), TrailError> {
        Err(TrailError::Closed)
    }

    /// Records that a request was turned away, if the budget for that allows; else counts it.
    /// Never waits, never fails.
    pub fn rejected(&self, _rejection: Rejection) {}

    /// Under which identity `reference` (`repository:tag`) first ran, if ever.
    pub fn ledger_lookup(&self, _reference: &str) -> Option<LedgerEntry> {
        None
    }

    /// The newest durable record.
    pub fn head(&self) -> Receipt {
        Receipt {
            seq: 0,
            hash: String::new(),
        }
    }

    /// Writes what is queued, gives the state directory free and ends the writer. Other clones get
    /// [`TrailError::Closed`] from then on.
    pub async fn close(&self) {}
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
