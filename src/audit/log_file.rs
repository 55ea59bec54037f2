//! The newest file: durable to its end or not longer than before, with room kept behind it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::error::TrailError;
use super::{files, layout};

/// Room kept behind the last record: the records of several operations at their longest.
pub(super) const RESERVE: u64 = 256 * 1024;

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Bytes that are surely on the disk.
    durable: u64,
    /// Up to where room is set aside.
    reserved: u64,
    /// Whether that room is the file's own, and nobody else can take it.
    owned: bool,
    /// A write went wrong and what it left could not be taken back yet.
    suspect: bool,
}

impl LogFile {
    /// Opens `path` for appending.
    pub(super) fn open(path: PathBuf, how: &mut OpenOptions) -> Result<Self, TrailError> {
        let file = files::open_own(&path, how.read(true).append(true))?;
        let durable = file
            .metadata()
            .map_err(|e| TrailError::io("read", &path, &e))?
            .len();
        Ok(Self {
            path,
            file,
            durable,
            reserved: 0,
            owned: false,
            suspect: false,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn len(&self) -> u64 {
        self.durable
    }

    /// Says that the file was cut to `length` by recovery.
    pub(super) fn cut_to(&mut self, length: u64) {
        self.durable = length;
        self.reserved = 0;
    }

    /// Says that the file, still the same, has another name now.
    pub(super) fn renamed(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Appends `bytes` and makes them durable, all or none.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), TrailError> {
        self.repair()?;
        let written = self
            .file
            .write_all(bytes)
            .map_err(|e| ("append to", e))
            .and_then(|()| self.file.sync_data().map_err(|e| ("make durable", e)));
        if let Err((act, error)) = written {
            self.suspect = true;
            if let Err(left) = self.repair() {
                log::error!("a record that failed is not yet taken back: {left}");
            }
            return Err(TrailError::io(act, &self.path, &error));
        }
        self.durable += bytes.len() as u64;
        Ok(())
    }

    /// Takes back what a failed write left.
    fn repair(&mut self) -> Result<(), TrailError> {
        if !self.suspect {
            return Ok(());
        }
        self.cut()
            .and_then(|()| self.file.sync_data())
            .map_err(|e| TrailError::io("cut", &self.path, &e))?;
        self.suspect = false;
        Ok(())
    }

    /// The room behind the end goes with what is cut off: it is taken again at once, before somebody else does.
    fn cut(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() == self.durable {
            return Ok(());
        }
        self.file.set_len(self.durable)?;
        let room = std::mem::take(&mut self.reserved).saturating_sub(self.durable);
        if room > 0 && set_aside(&self.file, self.durable, room) == Ok(true) {
            self.reserved = self.durable + room;
        }
        Ok(())
    }

    /// Whether at least half of the reserve is there.
    pub(super) fn has_reserve(&self) -> bool {
        self.reserved >= self.durable + RESERVE / 2
    }

    /// Sets the whole reserve aside.
    pub(super) fn reserve(&mut self) -> Result<(), TrailError> {
        if self.owned && self.reserved == self.durable + RESERVE {
            return Ok(());
        }
        match set_aside(&self.file, self.durable, RESERVE) {
            Ok(owned) => {
                self.reserved = self.durable + RESERVE;
                self.owned = owned;
                Ok(())
            }
            Err(error) => {
                let error = io::Error::from(error);
                Err(TrailError::io("set room aside in", &self.path, &error))
            }
        }
    }

    /// Whether the file is where it should be, as long as it should be, and can grow.
    pub(super) fn check(&mut self) -> Result<(), TrailError> {
        self.repair()?;
        let damaged = |problem: &str| TrailError::Damaged {
            path: self.path.clone(),
            problem: problem.to_owned(),
        };
        let failed = |error: io::Error| TrailError::io("read", &self.path, &error);
        if !layout::is_at(&self.file, &self.path).map_err(failed)? {
            return Err(damaged("is no longer the file that the agent writes"));
        }
        if self.file.metadata().map_err(failed)?.len() != self.durable {
            return Err(damaged("was written to by somebody else"));
        }
        self.reserve()
    }
}

/// Whether the room is the file's own from now on; else it is there for whoever comes first.
fn set_aside(file: &File, from: u64, length: u64) -> Result<bool, Errno> {
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, from, length) {
        // No such call on this filesystem: then at least there is room now.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let disk = rustix::fs::fstatvfs(file)?;
            if disk.f_bavail.saturating_mul(disk.f_frsize) < length {
                return Err(Errno::NOSPC);
            }
            Ok(false)
        }
        other => other.map(|()| true),
    }
}

/// Makes the file that will follow, with these bytes and its own reserve.
pub(super) fn next(directory: &Path, bytes: &[u8]) -> Result<LogFile, TrailError> {
    let path = directory.join(layout::NEXT);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(TrailError::io("remove", path, &error));
        }
        _ => {}
    }
    let mut next = LogFile::open(path, OpenOptions::new().create_new(true))?;
    next.append(bytes)?;
    next.reserve()?;
    Ok(next)
}
