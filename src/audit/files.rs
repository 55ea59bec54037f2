//! The state directory: who may use it, which files are in it, how they come into being.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};

use super::error::TrailError;

pub(super) const TRAIL: &str = "audit.jsonl";
const LOCK: &str = "lock";
const STAMP: &str = "environment";
pub(super) const HEAD: &str = "audit.head";

/// Makes the directory if it is missing and checks that it is the agent's alone.
pub(super) fn directory(path: &Path) -> Result<(), TrailError> {
    let mut builder = fs::DirBuilder::new();
    match builder.recursive(true).mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(TrailError::io("make", path, &error)),
    }
    let meta = fs::metadata(path).map_err(|error| TrailError::io("look at", path, &error))?;
    if !meta.is_dir() {
        let problem = "it is not a directory".to_owned();
        return Err(TrailError::Damaged {
            path: path.to_owned(),
            problem,
        });
    }
    private(path, &meta, 0o700)
}

/// Refuses what others can reach or what belongs to somebody else.
fn private(path: &Path, meta: &fs::Metadata, wanted: u32) -> Result<(), TrailError> {
    let (mode, owner) = (meta.mode() & 0o7777, meta.uid());
    let agent = rustix::process::geteuid().as_raw();
    let path = path.to_owned();
    if owner != agent {
        return Err(TrailError::WrongOwner { path, owner, agent });
    }
    if mode & 0o077 != 0 {
        return Err(TrailError::TooOpen { path, mode, wanted });
    }
    Ok(())
}

/// Opens a file of the directory as the agent's own: no link, no device, mode 0600.
pub(super) fn open_private(path: &Path, options: &mut OpenOptions) -> Result<File, TrailError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let opened = options.mode(0o600).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => {
            TrailError::NotAFile(path.to_owned())
        }
        _ => TrailError::io("open", path, &error),
    })?;
    let meta = file
        .metadata()
        .map_err(|error| TrailError::io("look at", path, &error))?;
    if !meta.is_file() {
        return Err(TrailError::NotAFile(path.to_owned()));
    }
    private(path, &meta, 0o600)?;
    Ok(file)
}

/// Holds the directory for as long as the file lives; the kernel lets go when the process ends.
pub(super) fn lock(directory: &Path) -> Result<File, TrailError> {
    let path = directory.join(LOCK);
    let file = open_private(
        &path,
        OpenOptions::new().create(true).truncate(false).write(true),
    )?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::AGAIN) => Err(TrailError::Locked(directory.to_owned())),
        Err(error) => Err(TrailError::io("lock", path, &error.into())),
    }
}

/// Stamps the directory with its environment, or refuses one that belongs to another.
pub(super) fn stamp(directory: &Path, environment: &str) -> Result<(), TrailError> {
    let path = directory.join(STAMP);
    match read_bounded(&path)? {
        None => write_whole(&path, format!("{environment}\n").as_bytes()),
        Some(found) => {
            let found = String::from_utf8_lossy(&found).trim().to_owned();
            if found == environment {
                return Ok(());
            }
            let own = environment.to_owned();
            Err(TrailError::OtherEnvironment {
                path: directory.to_owned(),
                found,
                own,
            })
        }
    }
}

/// The content of a small private file; none if there is no file.
pub(super) fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, TrailError> {
    let file = match open_private(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(TrailError::Io {
            kind: io::ErrorKind::NotFound,
            ..
        }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    let read = file.take(256 * 1024 * 1024).read_to_end(&mut bytes);
    read.map_err(|error| TrailError::io("read", path, &error))?;
    Ok(Some(bytes))
}

/// Writes a file so that it is there whole or not at all, also after a power cut.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrailError> {
    let mut scratch = path.as_os_str().to_owned();
    scratch.push(".new");
    let scratch = PathBuf::from(scratch);
    let failed = |act| {
        let path = path.to_owned();
        move |error: io::Error| TrailError::io(act, path, &error)
    };
    let mut file = open_private(
        &scratch,
        OpenOptions::new().create(true).truncate(true).write(true),
    )?;
    file.write_all(bytes).map_err(failed("write"))?;
    file.sync_all().map_err(failed("write"))?;
    fs::rename(&scratch, path).map_err(failed("write"))?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes names in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), TrailError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| TrailError::io("write", directory, &error))
}

/// The name of a file of the trail that was ended by the record of this number.
pub(super) fn ended_name(last_seq: u64) -> String {
    format!("audit.{last_seq:020}.jsonl")
}

/// The files of a trail in a directory that others follow, oldest first, each with its last number.
pub(super) fn ended_files(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let digits = name
            .strip_prefix("audit.")
            .and_then(|rest| rest.strip_suffix(".jsonl"));
        let seq = digits
            .filter(|digits| digits.len() == 20)
            .and_then(|digits| digits.parse().ok());
        if let Some(seq) = seq {
            found.push((seq, path));
        }
    }
    found.sort();
    Ok(found)
}
