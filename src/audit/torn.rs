//! Bytes after the last whole record: kept, and out of the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::TrailError;
use super::event::TornLineKeptAside;
use super::record::sha256;
use super::{files, layout};

/// Moves the bytes after the first `whole`, which end with record `seq`, to a file of their own.
pub(super) fn keep_aside(
    directory: &Path,
    file: &File,
    whole: u64,
    seq: u64,
) -> Result<TornLineKeptAside, TrailError> {
    let path = directory.join(layout::NEWEST);
    let failed = |error: io::Error| TrailError::io("read", &path, &error);
    let mut source = file;
    source.seek(SeekFrom::Start(whole)).map_err(failed)?;
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).map_err(failed)?;
    let name = (0..)
        .map(|n| layout::torn(seq, n))
        .find(|name| fs::symlink_metadata(directory.join(name)).is_err())
        .unwrap_or_default();
    files::replace(directory, &name, &bytes)?;
    file.set_len(whole)
        .and_then(|()| file.sync_all())
        .map_err(|e| TrailError::io("cut", &path, &e))?;
    Ok(TornLineKeptAside {
        file: name,
        bytes: bytes.len() as u64,
        sha256: sha256(&bytes),
    })
}

/// Bytes that were moved aside right after the last record, by a start that could not record it.
pub(super) fn unrecorded(directory: &Path, seq: u64) -> Result<Vec<TornLineKeptAside>, TrailError> {
    let mut found = Vec::new();
    for name in (0..).map(|n| layout::torn(seq, n)) {
        let path = directory.join(&name);
        if fs::symlink_metadata(&path).is_err() {
            break;
        }
        let mut bytes = Vec::new();
        files::open_own(&path, OpenOptions::new().read(true))?
            .read_to_end(&mut bytes)
            .map_err(|e| TrailError::io("read", &path, &e))?;
        found.push(TornLineKeptAside {
            file: name,
            bytes: bytes.len() as u64,
            sha256: sha256(&bytes),
        });
    }
    Ok(found)
}
