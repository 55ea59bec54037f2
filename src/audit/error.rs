//! What can go wrong with the trail.

use std::io;
use std::path::PathBuf;

/// Why the trail could not be opened or written. Cheap to clone: one failed write is told to
/// everybody whose record was in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TrailError {
    /// Another agent holds the state directory.
    #[error("another agent already uses {}", .0.display())]
    Locked(PathBuf),
    /// Group or others may reach what only the agent may.
    #[error("{} has mode {mode:04o}: only its owner may have access (chmod {wanted:04o})", .path.display())]
    TooOpen {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits it should have.
        wanted: u32,
    },
    /// Somebody else owns it.
    #[error("{} belongs to user {owner}, and this process runs as user {agent}", .path.display())]
    WrongOwner {
        /// The file or directory.
        path: PathBuf,
        /// User id of the owner.
        owner: u32,
        /// User id of this process.
        agent: u32,
    },
    /// It is a directory, a link or a device where a regular file should be.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The directory belongs to another environment's agent.
    #[error("{} belongs to environment {found}, and this agent is {own}", .path.display())]
    OtherEnvironment {
        /// The state directory.
        path: PathBuf,
        /// The environment it is stamped with.
        found: String,
        /// The agent's own.
        own: String,
    },
    /// A file of the trail does not hold what it should.
    #[error("{}: {problem}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system refused.
    #[error("cannot {act} {}: {message}", .path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system answered.
        kind: io::ErrorKind,
        /// The same, in words.
        message: String,
    },
    /// More records wait than a healthy disk ever lets wait.
    #[error("the audit trail is {0} records behind: the disk does not keep up")]
    Behind(usize),
    /// The writer has ended.
    #[error("the audit trail is closed")]
    Closed,
}

impl TrailError {
    pub(super) fn io(act: &'static str, path: impl Into<PathBuf>, error: &io::Error) -> Self {
        Self::Io {
            act,
            path: path.into(),
            kind: error.kind(),
            message: error.to_string(),
        }
    }
}
