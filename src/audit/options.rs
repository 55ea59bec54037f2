//! How a trail is opened, and what opening it found.

use std::path::PathBuf;

use tokio::sync::oneshot;

use super::error::TrailError;
use super::event::Unfinished;

/// Bytes after which a trail goes on in a new file: some hundred thousand records, read at a start within a fraction of
/// a second.
pub const ROTATE_AT: u64 = 64 * 1024 * 1024;

/// How to open a trail.
#[derive(Debug, Clone)]
pub struct TrailOptions {
    /// Where `audit.jsonl` lives; made with mode 0700 if it is missing.
    pub state_directory: PathBuf,
    /// The agent's own environment; a directory stamped with another one is refused.
    pub environment: String,
    /// Written into every record.
    pub agent_version: String,
    /// Bytes after which the trail goes on in a new file; [`ROTATE_AT`] unless a test says less.
    pub rotate_at: u64,
}

/// How opening went.
#[derive(Debug)]
pub enum Readiness {
    /// The trail is open.
    Open(Opened),
    /// There was no room on the disk. The trail is opened as soon as there is some, and what it found is told then; from
    /// then on it waits for [`Trail::admit`](super::Trail::admit) before an operation may begin.
    Waiting(TrailError, oneshot::Receiver<Opened>),
}

/// What opening found.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// Bytes after the last whole record, moved to a file of their own.
    pub torn: Option<Quarantined>,
    /// Operations without an outcome, oldest first. The caller closes each with
    /// [`Event::OperationInterrupted`](super::Event::OperationInterrupted) once it has seen what the engine shows.
    pub unfinished: Vec<Unfinished>,
    /// What is wrong with the trail, each already recorded as [`Event::TrailDamaged`](super::Event::TrailDamaged).
    pub problems: Vec<String>,
    /// How many tags the ledger knows.
    pub ledger_tags: usize,
    /// Sequence number of the newest record.
    pub seq: u64,
}

/// Bytes that were no whole record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Name of the file that holds them now, in the state directory.
    pub file: String,
    /// How many.
    pub bytes: u64,
}
