//! Room for an emergency stop: a file of real blocks in the state directory, there from the start and given back on a
//! full disk.
//!
//! The room behind the last record of the trail is the first that a stop takes, and nobody else can have it. This file is
//! for when that is used up, and for file systems that keep no room behind a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use aws_lc_rs::rand;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::error::TrailError;
use super::files;
use super::layout::RESERVE;

/// The room behind the last record twice: once for that, once for the files that a start makes.
pub(super) const BYTES: u64 = 2 * super::log_file::RESERVE;
/// What `st_blocks` counts in.
const BLOCK: u64 = 512;

/// The reserve of one state directory.
#[derive(Debug)]
pub(super) struct Reserve(PathBuf);

impl Reserve {
    pub(super) fn of(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Makes the file, unless it is there as it should be. What else has its name makes way, but for a directory.
    ///
    /// # Errors
    /// There is no room for it, or the directory may not be written to.
    pub(super) fn keep(&self) -> Result<(), TrailError> {
        if self.is_whole() {
            return Ok(());
        }
        files::replace_by(&self.0, RESERVE, fill)
    }

    /// Whether the file is the agent's own, and holds its blocks.
    pub(super) fn is_whole(&self) -> bool {
        fs::symlink_metadata(self.0.join(RESERVE)).is_ok_and(|found| {
            found.is_file()
                && files::only_ours(&self.0, &found, 0o600).is_ok()
                && found.len() == BYTES
                && found.blocks() * BLOCK >= BYTES
        })
    }

    /// Gives half of the blocks back to the disk, or the half that is left; whether there was anything to give. Not all
    /// at once: whoever fills the disk may be the first to take them.
    pub(super) fn give_back(&self) -> bool {
        let path = self.0.join(RESERVE);
        // Cut and not removed: somebody who reads it, such as a backup, would keep the blocks.
        let given = files::open_own(&path, OpenOptions::new().write(true)).and_then(|file| {
            let failed = |error| TrailError::io("empty", &path, &error);
            let length = file.metadata().map_err(failed)?.len();
            let left = if length > BYTES / 2 { BYTES / 2 } else { 0 };
            file.set_len(left)
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
            Ok(length - left)
        });
        match given {
            Ok(0) => false,
            Ok(bytes) => {
                log::warn!(
                    "the disk is full: {} gives {bytes} bytes back",
                    path.display()
                );
                true
            }
            Err(error) => {
                log::warn!("no room is kept for a stop: {error}");
                false
            }
        }
    }
}

/// Blocks, not a promise of them.
fn fill(file: &mut File) -> io::Result<()> {
    match rustix::fs::fallocate(&*file, FallocateFlags::empty(), 0, BYTES) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_out(file),
        filled => Ok(filled?),
    }
}

/// Bytes that no file system can press together.
fn write_out(file: &mut File) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    rand::fill(&mut piece).map_err(|_| io::Error::other("the system gave no random bytes"))?;
    let mut left = BYTES;
    while left > 0 {
        let length = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&piece[..length])?;
        left -= length as u64;
        // The next piece is another one.
        piece.rotate_left(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_the_call_gets_as_many_bytes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("written");
        let mut file = File::create(&path).expect("made");
        write_out(&mut file).expect("written");
        let found = file.metadata().expect("there");
        assert_eq!(found.len(), BYTES);
    }
}
