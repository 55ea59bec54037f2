//! Small files that say whose directory this is and how far its trail had come.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::error::TrailError;
use super::layout::{HEAD, LOCK, STAMP};
use super::trail::Receipt;
use super::verify::Anchor;
use super::{files, record};

/// Takes the directory for this process, for as long as the answer lives.
pub(super) fn lock(directory: &Path) -> Result<File, TrailError> {
    let path = directory.join(LOCK);
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(false);
    let file = files::open_own(&path, &how)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TrailError::Locked(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(TrailError::io("lock", path, &error)),
    }
}

/// Refuses a directory of another environment; stamps one that has no stamp.
pub(super) fn environment(directory: &Path, own: &str) -> Result<(), TrailError> {
    let path = directory.join(STAMP);
    let Some(found) = files::read_own(&path)? else {
        return files::replace(directory, STAMP, format!("{own}\n").as_bytes());
    };
    let found = String::from_utf8_lossy(&found).trim().to_owned();
    if found == own {
        return Ok(());
    }
    Err(TrailError::OtherEnvironment {
        path: directory.to_owned(),
        found: found
            .chars()
            .take(64)
            .flat_map(char::escape_default)
            .collect(),
        own: own.to_owned(),
    })
}

/// What the head file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    /// There is none.
    Missing,
    /// It does not hold `SEQ:HASH`.
    Unreadable(String),
    /// This record was durable.
    At(Anchor),
}

/// Reads the head file of `directory`, also of one that belongs to somebody else.
pub(super) fn head(directory: &Path) -> Head {
    let text = match std::fs::read_to_string(directory.join(HEAD)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Head::Missing,
        Err(error) => return Head::Unreadable(error.to_string()),
    };
    match text.trim_end_matches('\n').parse() {
        Ok(anchor) => Head::At(anchor),
        Err(_) => Head::Unreadable("it does not hold SEQ:HASH".to_owned()),
    }
}

/// Notes that `newest` is durable.
pub(super) fn write_head(directory: &Path, newest: &Receipt) -> Result<(), TrailError> {
    files::replace(directory, HEAD, format!("{newest}\n").as_bytes())
}

/// The head of a trail without records.
pub(super) fn no_record() -> Receipt {
    Receipt {
        seq: 0,
        hash: record::NO_RECORD.to_owned(),
    }
}
