//! The lines of a trail, across its files, as they stand or as they grow.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::audit::{NEWEST, TrailFile, TrailFiles, is_at};

const BUFFER: usize = 256 * 1024;

pub(super) struct Lines {
    path: PathBuf,
    /// Whether `path` is a directory, in which the trail may go on in another file.
    many: bool,
    current: Option<BufReader<File>>,
    /// Where the line that comes next begins in `current`.
    position: u64,
    rest: VecDeque<TrailFile>,
    line: Vec<u8>,
    last_seq: u64,
    unreadable: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let trail = TrailFiles::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            many: trail.directory.is_some(),
            current: None,
            position: 0,
            rest: trail.files.into(),
            line: Vec::new(),
            last_seq: 0,
            unreadable: 0,
        })
    }

    /// The next whole line; `None` where there is none yet.
    pub(super) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            self.line.clear();
            if let Some(current) = &mut self.current {
                let read = current.read_until(b'\n', &mut self.line)?;
                if self.line.ends_with(b"\n") {
                    self.position += read as u64;
                    return Ok(Some(&self.line));
                }
                if read > 0 {
                    // Half a line may be completed, or be taken back after a crash: read it again.
                    current.seek(SeekFrom::Start(self.position))?;
                }
            }
            match self.rest.pop_front() {
                Some(next) => self.turn_to(next.file),
                None => return Ok(None),
            }
        }
    }

    fn turn_to(&mut self, file: File) {
        self.current = Some(BufReader::with_capacity(BUFFER, file));
        self.position = 0;
    }

    /// Looks whether the trail goes on in another file. What was written to this one until then is
    /// read first.
    pub(super) fn go_on(&mut self) -> io::Result<()> {
        let Some(current) = &self.current else {
            self.rest = TrailFiles::open(&self.path)?.files.into();
            return Ok(());
        };
        if !self.many || is_at(current.get_ref(), &self.path.join(NEWEST))? {
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

    /// Says which record was read.
    pub(super) fn saw(&mut self, seq: u64) {
        self.last_seq = seq;
    }

    /// Says that the line was no record.
    pub(super) fn cannot_read(&mut self) {
        self.unreadable += 1;
    }

    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

/// Gives a field another name.
pub(super) fn rename(all: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = all.remove(from) {
        all.insert(to.to_owned(), value);
    }
}
