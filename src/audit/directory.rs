//! Whose state directory it is: one environment's, one agent's, nobody else's.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::error::TrailError;
use super::layout::{LOCK, STAMP};
use super::{files, regular};

/// No environment's name is longer.
const LONGEST_STAMP: u64 = 64;

/// Whether an agent uses the directory now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupancy {
    /// There is no directory yet; `serve` makes it.
    Missing,
    /// Nobody does.
    Free,
    /// An agent does.
    Held,
}

/// Makes or takes the directory for an agent of this environment, for as long as the answer lives.
///
/// # Errors
/// Another agent has it, it belongs to another environment or user, or others may enter it.
pub(super) fn take(directory: &Path, environment: &str) -> Result<File, TrailError> {
    files::own_directory(directory)?;
    let path = directory.join(LOCK);
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(false);
    let lock = files::open_own(&path, &how)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(TrailError::Locked(directory.to_owned())),
        Err(TryLockError::Error(error)) => return Err(TrailError::io("lock", path, &error)),
    }
    match files::read_own(&directory.join(STAMP), LONGEST_STAMP)? {
        Some(stamp) => is_of(directory, &stamp, environment)?,
        None => files::replace(directory, STAMP, format!("{environment}\n").as_bytes())?,
    }
    Ok(lock)
}

/// Whether an agent of this environment could use the directory, as the user that this process runs as. Nothing is made
/// or changed.
///
/// # Errors
/// What `serve` would end with: another environment's stamp, another owner, a mode that lets others in.
pub fn examine(directory: &Path, environment: &str) -> Result<Occupancy, TrailError> {
    let found = match fs::metadata(directory) {
        // A link that leads nowhere is there, and no directory can be made of it.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && fs::symlink_metadata(directory).is_err() =>
        {
            return Ok(Occupancy::Missing);
        }
        found => found.map_err(|error| TrailError::io("read", directory, &error))?,
    };
    if !found.is_dir() {
        let error = io::Error::from(io::ErrorKind::NotADirectory);
        return Err(TrailError::io("use", directory, &error));
    }
    // Before the owner: the stamp says what went wrong when it is the other environment's.
    if let Ok(stamp) = regular::read_regular(&directory.join(STAMP), LONGEST_STAMP) {
        is_of(directory, &stamp, environment)?;
    }
    files::only_ours(directory, &found, 0o700)?;
    let lock = regular::open_regular(&directory.join(LOCK));
    let held =
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)));
    Ok(if held {
        Occupancy::Held
    } else {
        Occupancy::Free
    })
}

fn is_of(directory: &Path, stamp: &[u8], own: &str) -> Result<(), TrailError> {
    let stamp = String::from_utf8_lossy(stamp);
    if stamp.trim() == own {
        return Ok(());
    }
    Err(TrailError::OtherEnvironment {
        path: directory.to_owned(),
        found: stamp.trim().escape_default().to_string(),
        own: own.to_owned(),
    })
}
