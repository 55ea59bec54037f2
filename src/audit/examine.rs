//! What `serve` would find in a state directory: looked at, and nothing made or changed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::Path;

use super::error::TrailError;
use super::files;
use super::layout::{LOCK, STAMP};

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

/// Whether an agent of this environment could use the directory, as the user that this process runs as.
///
/// # Errors
/// What `serve` would end with: another environment's stamp, another owner, a mode that lets others in.
pub fn examine(directory: &Path, own: &str) -> Result<Occupancy, TrailError> {
    let found = match fs::metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupancy::Missing),
        found => found.map_err(|error| TrailError::io("read", directory, &error))?,
    };
    if !found.is_dir() {
        let error = io::Error::from(io::ErrorKind::NotADirectory);
        return Err(TrailError::io("use", directory, &error));
    }
    let stamp = beginning(&directory.join(STAMP));
    if let Some(stamp) = stamp.filter(|stamp| stamp.trim() != own) {
        return Err(TrailError::OtherEnvironment {
            path: directory.to_owned(),
            found: stamp.trim().escape_default().to_string(),
            own: own.to_owned(),
        });
    }
    files::only_ours(directory, &found, 0o700)?;
    Ok(if held(&directory.join(LOCK)) {
        Occupancy::Held
    } else {
        Occupancy::Free
    })
}

/// The first bytes of a small regular file.
fn beginning(path: &Path) -> Option<String> {
    let regular = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let mut text = Vec::new();
    let file = File::open(path).ok().filter(|_| regular)?;
    file.take(64).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn held(lock: &Path) -> bool {
    let regular = fs::symlink_metadata(lock).is_ok_and(|found| found.is_file());
    let file = File::open(lock).ok().filter(|_| regular);
    file.is_some_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
