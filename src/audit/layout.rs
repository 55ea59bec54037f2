//! Names of the files in a state directory, and how a reader takes them together.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::regular::open_regular;

/// The file that is written to.
pub(crate) const NEWEST: &str = "audit.jsonl";
/// The file that is about to become [`NEWEST`].
pub(super) const NEXT: &str = "audit.next";
/// Held by the one agent of the directory.
pub(super) const LOCK: &str = "lock";
/// Which environment the directory belongs to.
pub(super) const STAMP: &str = "environment";
/// `SEQ:HASH` of a durable record, so that a tail that was cut off shows.
pub(super) const HEAD: &str = "audit.head";
/// What an operator has acknowledged, until it is recorded.
pub(super) const ACKNOWLEDGEMENT: &str = "acknowledgement.json";
/// Room that is kept for a stop.
pub(super) const RESERVE: &str = "reserve";
/// The key of the fingerprints.
pub(super) const KEY: &str = "fingerprint.key";

/// A rotation takes two renames: a reader that met it reads the names again after this.
const RENAMES_TAKE: Duration = Duration::from_millis(20);
const MAX_TRIES: u32 = 50;

/// Name of the finished file whose first record is `first`.
pub(super) fn finished(first: u64) -> String {
    format!("audit.{first:012}.jsonl")
}

/// Name of the ledger that a file beginning with record `first` refers to.
pub(super) fn ledger(first: u64) -> String {
    format!("ledger.{first:012}.json")
}

/// Name of the `n`th file of bytes that followed record `seq` and were no record.
pub(super) fn torn(seq: u64, n: u32) -> String {
    format!("audit.torn.{seq:012}.{n}.jsonl")
}

/// The finished files of `directory` with the sequence number each begins with, oldest first.
pub(super) fn finished_files(directory: &Path) -> io::Result<Vec<(u64, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        if let Some(first) = first_of(&name) {
            found.push((first, name));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Whether this is the name of a finished file.
pub(super) fn is_finished(name: &str) -> bool {
    first_of(name).is_some()
}

/// The record that the finished file `name` begins with.
fn first_of(name: &str) -> Option<u64> {
    name.strip_prefix("audit.")
        .and_then(|rest| rest.strip_suffix(".jsonl"))
        .filter(|digits| digits.len() >= 12 && digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
}

/// One file of a trail, open for reading.
#[derive(Debug)]
pub(crate) struct TrailFile {
    pub(crate) name: String,
    /// The record it begins with, where its name says so.
    pub(crate) first: Option<u64>,
    pub(crate) file: File,
}

/// The files of a trail, oldest first.
#[derive(Debug)]
pub(crate) struct TrailFiles {
    /// The directory they were found in; `None` when a single file was asked for.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) files: Vec<TrailFile>,
    /// Whether the last of them is [`NEWEST`].
    pub(crate) newest: bool,
}

impl TrailFiles {
    /// Opens all files of the state directory `path`, or `path` itself if it is a file.
    ///
    /// # Errors
    /// There is nothing to read, or one of them is not a regular file; the message names it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if !fs::metadata(path).map_err(named)?.is_dir() {
            return Self::alone(path);
        }
        for attempt in 0.. {
            let newest = open_if_there(&path.join(NEWEST))?;
            let mut files = Vec::new();
            for (first, name) in finished_files(path).map_err(named)? {
                let file = opened(&path.join(&name))?;
                let first = Some(first);
                files.push(TrailFile { name, first, file });
            }
            let settled = match &newest {
                Some(file) => is_at(file, &path.join(NEWEST))?,
                None => files.is_empty(),
            };
            if settled || attempt == MAX_TRIES {
                let has_newest = newest.is_some();
                files.extend(newest.map(|file| TrailFile {
                    name: NEWEST.to_owned(),
                    first: None,
                    file,
                }));
                return Ok(Self {
                    directory: Some(path.to_owned()),
                    files,
                    newest: has_newest,
                });
            }
            std::thread::sleep(RENAMES_TAKE);
        }
        unreachable!("the loop returns at its last try")
    }

    /// A single file, which may be named through a link.
    fn alone(path: &Path) -> io::Result<Self> {
        let name = path.file_name().map_or_else(
            || path.display().to_string(),
            |n| n.to_string_lossy().into(),
        );
        let file = opened(&fs::canonicalize(path)?)?;
        let first = None;
        Ok(Self {
            directory: None,
            files: vec![TrailFile { name, first, file }],
            newest: false,
        })
    }
}

/// Opens `path` unless there is no such file.
fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match opened(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens `path`; an error names it.
fn opened(path: &Path) -> io::Result<File> {
    open_regular(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Whether `path` still leads to `file`.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(found.dev() == held.dev() && found.ino() == held.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
