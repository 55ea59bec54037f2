//! Bytes after the last whole record: kept, and out of the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::TrailError;
use super::event::TornLineKeptAside;
use super::hash::sha256_of;
use super::{files, layout};

/// A crash leaves a few writes at most; what is larger somebody else put there, and a person must see it.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Moves the bytes after the first `whole`, which end with record `seq`, to a file of their own.
pub(super) fn move_aside(
    directory: &Path,
    file: &File,
    whole: u64,
    seq: u64,
) -> Result<TornLineKeptAside, TrailError> {
    let path = directory.join(layout::NEWEST);
    let length = file
        .metadata()
        .map_err(|e| TrailError::io("read", &path, &e))?;
    if length.len().saturating_sub(whole) > LARGEST {
        let problem = "more bytes that are no record at its end than any crash leaves".to_owned();
        return Err(TrailError::Damaged { path, problem });
    }
    let name = (0..)
        .map(|n| layout::torn(seq, n))
        .find(|name| fs::symlink_metadata(directory.join(name)).is_err())
        .unwrap_or_default();
    let (sha256, bytes) = files::replace_by(directory, &name, |aside| {
        let mut source = file;
        source.seek(SeekFrom::Start(whole))?;
        sha256_of(source, |piece| aside.write_all(piece))
    })?;
    file.set_len(whole)
        .and_then(|()| file.sync_all())
        .map_err(|e| TrailError::io("cut", &path, &e))?;
    Ok(TornLineKeptAside {
        file: name,
        bytes,
        sha256,
    })
}

/// Bytes that were moved aside right after the last record, by a start that could not record it.
pub(super) fn unrecorded(directory: &Path, seq: u64) -> Result<Vec<TornLineKeptAside>, TrailError> {
    let mut found = Vec::new();
    for name in (0..).map(|n| layout::torn(seq, n)) {
        let path = directory.join(&name);
        let file = match files::open_own(&path, OpenOptions::new().read(true)) {
            Err(TrailError::Io {
                kind: io::ErrorKind::NotFound,
                ..
            }) => break,
            file => file?,
        };
        let (sha256, bytes) = is_small(&file)
            .and_then(|()| sha256_of(file, |_| Ok(())))
            .map_err(|e| TrailError::io("read", &path, &e))?;
        found.push(TornLineKeptAside {
            file: name,
            bytes,
            sha256,
        });
    }
    Ok(found)
}

/// Whether `file` could be what a crash left.
pub(super) fn is_small(file: &File) -> io::Result<()> {
    let length = file.metadata()?.len();
    if length <= LARGEST {
        return Ok(());
    }
    let message = format!("{length} bytes that are no record; no crash leaves so many");
    Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
}
