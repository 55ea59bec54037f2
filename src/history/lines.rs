//! The lines of a trail, across its files, as they stand or as they grow.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::audit::{Line, LineReader, NEWEST, NotARecord, TrailFile, TrailFiles, Verifier, is_at};

pub(super) struct Lines {
    path: PathBuf,
    /// Whether `path` is a directory, in which the trail may go on in another file.
    many: bool,
    current: Option<LineReader>,
    rest: VecDeque<TrailFile>,
    last_seq: u64,
    verifier: Verifier,
    unreadable: u64,
    /// The first place where the trail is not what was written.
    violation: Option<String>,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let trail = TrailFiles::open(path)?;
        let many = trail.directory.is_some();
        Ok(Self {
            path: path.to_owned(),
            many,
            current: None,
            rest: trail.files.into(),
            last_seq: 0,
            verifier: Verifier::new(!many),
            unreadable: 0,
            violation: None,
        })
    }

    /// Reads what is there, record by record with its line, until `take` fails.
    pub(super) fn read(
        &mut self,
        mut take: impl FnMut(Line<'_>, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            if let Some(current) = &mut self.current {
                while let Some(line) = current.next()? {
                    if line.is_unfinished() {
                        // It may be completed, or be taken back after a crash: it is read again.
                        current.read_again()?;
                        break;
                    }
                    match self.verifier.take(line) {
                        Ok((record, violation)) => {
                            self.last_seq = record.seq;
                            let violation = violation.map(|violation| violation.to_string());
                            self.violation = self.violation.take().or(violation);
                            take(record, line.bytes())?;
                        }
                        Err(why @ NotARecord::TooLong) => {
                            let what = self.verifier.not_a_record(&why).to_string();
                            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                        }
                        Err(_) => self.unreadable += 1,
                    }
                }
            }
            let Some(next) = self.rest.pop_front() else {
                return Ok(());
            };
            self.verifier.begin_file(&next.name);
            self.current = Some(LineReader::new(next.file)?);
        }
    }

    /// Finds out whether the trail goes on in another file. What was written to this one until then is read first.
    pub(super) fn go_on(&mut self) -> io::Result<()> {
        let Some(current) = &self.current else {
            self.rest = TrailFiles::open(&self.path)?.files.into();
            return Ok(());
        };
        if !self.many || is_at(current.file(), &self.path.join(NEWEST))? {
            return Ok(());
        }
        let after = self.last_seq;
        self.rest = TrailFiles::open(&self.path)?
            .files
            .into_iter()
            .filter(|file| file.first.is_none_or(|first| first > after))
            .collect();
        Ok(())
    }

    /// How many lines were no record.
    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The first place where the trail is not what was written, in words.
    pub(super) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }
}

/// Gives a field another name.
pub(super) fn rename(all: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = all.remove(from) {
        all.insert(to.to_owned(), value);
    }
}
