//! What a start, and the operations after it, would find in the state directory. Nothing is made, changed or locked, so
//! that it can be asked beside the agent that runs.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags};
use rustix::io::Errno;

use super::directory::Occupancy;
use super::error::TrailError;
use super::fingerprint::Fingerprinter;
use super::head::Head;
use super::layout::{self, HEAD, KEY, LOCK, NEWEST, NEXT, STAMP};
use super::reserve::{self, Reserve};
use super::{files, log_file, quarantine, recovery};

/// What `st_blocks` counts in.
const BLOCK: u64 = 512;

/// What a start would find.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// Why it could not go through, or why deploys would be refused after it.
    pub hindrances: Vec<TrailError>,
    /// What it would record as damage of the trail, and so doubt the ledger of tags.
    pub damage: Vec<String>,
}

/// What a start in `directory` would find, of which [`examine`](super::examine) has found that it is `occupancy`.
#[must_use]
pub fn rehearse(directory: &Path, occupancy: Occupancy) -> Rehearsal {
    let mut found = Rehearsal::default();
    let above = match occupancy {
        Occupancy::Missing => can_be_made(directory),
        Occupancy::Free | Occupancy::Held => usable(directory).map(|()| directory),
    };
    // What its files would say, the directory has said.
    let exists = match above {
        Ok(exists) => exists,
        Err(error) => {
            found.hindrances.push(error);
            return found;
        }
    };
    if occupancy != Occupancy::Missing {
        found.hindrances = files_refused(directory);
    }
    // The agent that runs has read them, and is amid writing them.
    if found.hindrances.is_empty() && occupancy == Occupancy::Free {
        match opened(directory) {
            Ok(damage) => found.damage = damage,
            Err(error) => found.hindrances.push(error),
        }
    }
    found
        .hindrances
        .extend(without_room(directory, exists).err());
    found
}

/// The directory in which it, or the first of those above it that are missing, would be made.
fn can_be_made(directory: &Path) -> Result<&Path, TrailError> {
    let failed = |error: io::Error| TrailError::io("make", directory, &error);
    let exists = directory
        .ancestors()
        .skip(1)
        .find(|above| fs::symlink_metadata(above).is_ok())
        .ok_or_else(|| failed(Errno::NOENT.into()))?;
    match fs::metadata(exists).map_err(failed)?.is_dir() {
        true => {}
        false => return Err(failed(Errno::NOTDIR.into())),
    }
    // As a mount that is read-only answers, whatever the directory's mode.
    let disk = rustix::fs::statvfs(exists).map_err(|error| failed(error.into()))?;
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(failed(Errno::ROFS.into()));
    }
    allowed(exists, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| failed(error.into()))?;
    Ok(exists)
}

fn usable(directory: &Path) -> Result<(), TrailError> {
    let all = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    allowed(directory, all).map_err(|error| TrailError::io("write to", directory, &error.into()))
}

/// As an open would be answered: the agent's unit may read what its user may not.
fn allowed(path: &Path, how: Access) -> Result<(), Errno> {
    rustix::fs::accessat(CWD, path, how, AtFlags::EACCESS)
}

/// Every file that could not be opened, read or replaced.
fn files_refused(directory: &Path) -> Vec<TrailError> {
    let names = match names(directory) {
        Ok(names) => names,
        Err(error) => return vec![TrailError::io("read", directory, &error)],
    };
    let refused = names.iter().filter_map(|name| {
        let path = directory.join(name);
        let result = match Use::of(name)? {
            Use::Written => own(&path, Access::READ_OK | Access::WRITE_OK),
            Use::Own => own(&path, Access::READ_OK),
            Use::Read => regular(&path).and_then(|_| accessible(&path, Access::READ_OK)),
            Use::Replaced => no_directory(&path),
        };
        result.err()
    });
    refused.collect()
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// What the agent does with a file.
enum Use {
    /// Appends to it or locks it; it must be the agent's alone.
    Written,
    /// Reads it; it must be the agent's alone.
    Own,
    /// Reads it, whoever owns it.
    Read,
    /// Puts another in its place.
    Replaced,
}

impl Use {
    /// None of a file that is not the agent's, or that it does without.
    fn of(name: &str) -> Option<Self> {
        let ledger = name.starts_with("ledger.") && name.ends_with(".json");
        match name {
            LOCK | NEWEST => Some(Self::Written),
            STAMP | KEY => Some(Self::Own),
            HEAD => Some(Self::Read),
            layout::RESERVE | NEXT => Some(Self::Replaced),
            _ if name.ends_with(".new") => Some(Self::Replaced),
            _ if ledger || layout::is_finished(name) => Some(Self::Read),
            _ => None,
        }
    }
}

fn own(path: &Path, how: Access) -> Result<(), TrailError> {
    let found = regular(path)?;
    // Before the system's own refusal: it says whom the file belongs to.
    files::only_ours(path, &found, 0o600)?;
    accessible(path, how)
}

fn regular(path: &Path) -> Result<fs::Metadata, TrailError> {
    let found = fs::symlink_metadata(path).map_err(|error| TrailError::io("open", path, &error))?;
    match found.is_file() {
        true => Ok(found),
        false => Err(TrailError::NotAFile(path.to_owned())),
    }
}

fn accessible(path: &Path, how: Access) -> Result<(), TrailError> {
    match allowed(path, how) {
        // Its agent takes some of them away while it runs.
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(TrailError::io("open", path, &error.into())),
    }
}

fn no_directory(path: &Path) -> Result<(), TrailError> {
    match fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        true => Err(TrailError::NotAFile(path.to_owned())),
        false => Ok(()),
    }
}

/// Reads what a start reads, up to what would end it, for the damage that it would record.
fn opened(directory: &Path) -> Result<Vec<String>, TrailError> {
    Fingerprinter::of_key_in(directory)?;
    let finished = layout::finished_files(directory)
        .map_err(|error| TrailError::io("read", directory, &error))?;
    let before = finished.last().map(|(_, name)| name.as_str());
    let newest = directory.join(NEWEST);
    let file = match files::open_own(&newest, OpenOptions::new().read(true)) {
        // Before the first start, or amid a rotation.
        Err(TrailError::Io {
            kind: io::ErrorKind::NotFound,
            ..
        }) => return Ok(Vec::new()),
        file => file?,
    };
    let head = Head::read(directory);
    let mut scan = recovery::scan(directory, NEWEST, &file, before, &head)?;
    quarantine::unrecorded(directory, scan.state.newest.seq)?;
    if scan.first().is_none() && before.is_some() {
        // What the file before it holds is the end of the trail, and is checked by the start.
        return Ok(Vec::new());
    }
    scan.conclude();
    Ok(scan.problems)
}

/// Whether there is the room that the agent sets aside before a deploy, less what it has set aside already.
fn without_room(directory: &Path, exists: &Path) -> Result<(), TrailError> {
    let newest = directory.join(NEWEST);
    let (behind, made) = match fs::metadata(&newest) {
        Ok(found) => {
            let wanted = found.len() + log_file::RESERVE;
            (wanted.saturating_sub(found.blocks() * BLOCK), false)
        }
        Err(_) => (log_file::RESERVE, true),
    };
    let reserve = match Reserve::of(directory.to_owned()).is_whole() {
        true => 0,
        false => reserve::BYTES,
    };
    let disk = rustix::fs::statvfs(exists)
        .map_err(|error| TrailError::io("read", exists, &error.into()))?;
    // What the file system keeps for root is there for an agent that runs as root.
    let blocks = match rustix::process::geteuid().is_root() {
        true => disk.f_bfree,
        false => disk.f_bavail,
    };
    let no_file = (made || reserve > 0) && disk.f_files > 0 && disk.f_favail == 0;
    if no_file || blocks.saturating_mul(disk.f_frsize) < behind + reserve {
        return Err(TrailError::io(
            "set room aside in",
            directory,
            &Errno::NOSPC.into(),
        ));
    }
    Ok(())
}
