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
    /// There is room for what is under way only.
    #[error("the disk is full: the room that is left is kept for what is under way")]
    NoRoomToSpare,
    /// The disk is silent; the record is written if it answers one day.
    #[error("the disk of the audit trail does not answer")]
    Silent,
    /// The trail is open again, and what the agent owes it is not yet done.
    #[error("the audit trail has just been opened; try again in a moment")]
    NotReady,
    /// The writer has ended.
    #[error("the audit trail is closed")]
    Closed,
}

impl TrailError {
    /// Whether room on the disk, or of the agent's quota, would mend it.
    pub(crate) fn is_no_room(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        match self {
            Self::Io { kind, .. } => full.contains(kind),
            Self::NoRoomToSpare => true,
            _ => false,
        }
    }

    pub(super) fn io(act: &'static str, path: impl Into<PathBuf>, error: &io::Error) -> Self {
        Self::Io {
            act,
            path: path.into(),
            kind: error.kind(),
            message: error.to_string(),
        }
    }
}

/// Whether it failed, and room would mend that.
pub(super) fn is_no_room<T>(result: &Result<T, TrailError>) -> bool {
    result.as_ref().is_err_and(TrailError::is_no_room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_used_up_quota_want_room_and_a_read_only_one_does_not() {
        // ENOSPC, EDQUOT, EROFS, EIO.
        for (code, wants_room) in [(28, true), (122, true), (30, false), (5, false)] {
            let error = io::Error::from_raw_os_error(code);
            let error = TrailError::io("append to", "audit.jsonl", &error);
            assert_eq!(error.is_no_room(), wants_room, "{error}");
        }
    }
}
