//! What an operator's command leaves in the state directory for the agent to record: it has the one right to write.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::replace_by;
use super::layout::ACKNOWLEDGEMENT;
use super::regular::{open_regular, read_bounded};

/// A reason is a sentence.
const LARGEST: u64 = 16 * 1024;

/// That an operator has read what is doubted, and wants deploys to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// In the operator's words.
    pub reason: String,
    /// User id that ran the command.
    pub user: u32,
    /// The newest doubt that the operator was shown.
    pub through_seq: u64,
}

impl Acknowledgement {
    /// Puts it where the agent of `directory` finds it, as a file of the directory's owner.
    ///
    /// # Errors
    /// The directory may not be written to; the message names it.
    pub fn leave(&self, directory: &Path) -> io::Result<()> {
        let bytes = super::bounds::to_json(self)?;
        let written = replace_by(directory, ACKNOWLEDGEMENT, |file| {
            let owner = fs::metadata(directory)?;
            if owner.uid() != rustix::process::geteuid().as_raw() {
                std::os::unix::fs::fchown(&*file, Some(owner.uid()), Some(owner.gid()))?;
            }
            file.write_all(&bytes)
        });
        written.map_err(io::Error::other)
    }

    /// Whether one waits in `directory`.
    #[must_use]
    pub fn waits(directory: &Path) -> bool {
        fs::symlink_metadata(directory.join(ACKNOWLEDGEMENT)).is_ok()
    }

    /// Reads the one that waits, if one does.
    ///
    /// # Errors
    /// It is there, and is none: others may write it, or it does not hold one.
    pub fn read(directory: &Path) -> io::Result<Option<Self>> {
        let file = match open_regular(&directory.join(ACKNOWLEDGEMENT)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let found = file.metadata()?;
        if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 {
            let message = "it is not the agent's alone";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        let read = serde_json::from_slice(&read_bounded(&file, LARGEST)?)?;
        Ok(Some(read))
    }

    /// Takes the one that waits away: it is recorded, or it is none.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(directory: &Path) -> io::Result<()> {
        match fs::remove_file(directory.join(ACKNOWLEDGEMENT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
