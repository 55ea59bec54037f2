//! The walk of `verify` through all lines of a trail.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::layout::{NEWEST, TrailFile, TrailFiles};
use super::record::{Line, NO_RECORD, Text, sha256};
use super::stamp::{self, Head};
use super::verify::{Anchor, VerifyOptions};
use super::{Receipt, layout, ledger};

const BUFFER: usize = 256 * 1024;

/// What breaks the trail, in words.
pub(super) struct Break(pub(super) String);

pub(super) type Checked = Result<(), Break>;

fn broken<T>(what: impl Into<String>) -> Result<T, Break> {
    Err(Break(what.into()))
}

/// How far the trail was read, and what was found on the way.
pub(super) struct Walk<'o> {
    options: &'o VerifyOptions,
    pub(super) head: Head,
    /// A single file, without the others of its trail.
    pub(super) alone: bool,
    pub(super) records: u64,
    pub(super) first: Option<u64>,
    pub(super) last: Receipt,
    /// Name of the file being read, how many of its lines are, and name of the one before it.
    name: String,
    number: u64,
    before: Option<String>,
    /// The first damage that the agent itself saw and recorded.
    pub(super) recorded: Option<Break>,
    pub(super) notes: Vec<String>,
}

impl<'o> Walk<'o> {
    pub(super) fn new(options: &'o VerifyOptions) -> Self {
        Self {
            options,
            head: Head::Missing,
            alone: false,
            records: 0,
            first: None,
            last: stamp::no_record(),
            name: String::new(),
            number: 0,
            before: None,
            recorded: None,
            notes: Vec::new(),
        }
    }

    /// Reads all files, up to the first line that breaks the trail.
    pub(super) fn all(&mut self, trail: TrailFiles) -> io::Result<Checked> {
        if !self.alone && !trail.newest {
            return Ok(broken(format!("{NEWEST} is missing")));
        }
        let count = trail.files.len();
        for (n, TrailFile { name, file, .. }) in trail.files.into_iter().enumerate() {
            let before = std::mem::replace(&mut self.name, name);
            self.before = (n > 0).then_some(before);
            self.number = 0;
            if let Err(what) = self.file(file, n + 1 == count)? {
                return Ok(Err(what));
            }
        }
        Ok(self.conclude())
    }

    fn file(&mut self, file: File, newest: bool) -> io::Result<Checked> {
        let mut reader = BufReader::with_capacity(BUFFER, file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            self.number += 1;
            if !line.ends_with(b"\n") {
                let what = format!("{}: {} bytes without an end of line", self.at(), line.len());
                if !newest {
                    return Ok(broken(what));
                }
                let why = "a record that is being written, or that a crash cut short";
                self.notes.push(format!("{what}: {why}"));
                return Ok(Ok(()));
            }
            if let Err(what) = self.line(&line) {
                return Ok(Err(what));
            }
            line.clear();
        }
        if self.number == 0 && !newest {
            return Ok(broken(format!("{} is empty", self.name)));
        }
        Ok(Ok(()))
    }

    fn at(&self) -> String {
        format!("{} line {}", self.name, self.number)
    }

    fn line(&mut self, bytes: &[u8]) -> Checked {
        let at = self.at();
        let record = match Line::parse(bytes) {
            Ok(record) => record,
            Err(error) => return broken(format!("{at}: not a record ({error})")),
        };
        self.follows(&at, &record)?;
        let hash = sha256(bytes);
        let noted = |noted: &Anchor| noted.seq == record.seq && noted.hash != hash;
        if let Head::At(head) = &self.head
            && noted(head)
        {
            return broken(format!(
                "{at}: record {} is not the one that {} notes",
                record.seq,
                layout::HEAD
            ));
        }
        if self.options.expect.as_ref().is_some_and(noted) {
            return broken(format!(
                "{at}: record {} is not the one expected",
                record.seq
            ));
        }
        self.records += 1;
        self.first.get_or_insert(record.seq);
        self.last = Receipt {
            seq: record.seq,
            hash,
        };
        self.read_further(&at, &record)
    }

    /// Whether `record` may come where it stands.
    fn follows(&self, at: &str, record: &Line<'_>) -> Checked {
        let continues = record.event == "trail_continued";
        if self.first.is_none() {
            let (seq, alone) = (record.seq, self.alone || self.options.partial);
            return match continues {
                false if seq == 1 && record.prev == NO_RECORD => Ok(()),
                true if alone => Ok(()),
                _ => broken(format!("{at}: the records before record {seq} are missing")),
            };
        }
        if record.seq != self.last.seq + 1 {
            return broken(format!(
                "{at}: record {} where record {} should be",
                record.seq,
                self.last.seq + 1
            ));
        }
        if record.prev != self.last.hash {
            return broken(match self.number {
                1 => format!("{at}: the file before it does not end as it was written"),
                n => format!("{} line {}: changed after it was written", self.name, n - 1),
            });
        }
        if continues != (self.number == 1 && self.before.is_some()) {
            return broken(format!(
                "{at}: a file of the trail begins where none should, or none"
            ));
        }
        if continues
            && (record.after_seq != Some(self.last.seq)
                || text(&record.after_file) != self.before.as_deref())
        {
            return broken(format!("{at}: names another file before it"));
        }
        Ok(())
    }

    /// What a record says about other files, and about damage seen before.
    fn read_further(&mut self, at: &str, record: &Line<'_>) -> Checked {
        match (record.event.as_ref(), &self.options.path) {
            ("trail_continued", path) if !self.alone => {
                let Some(reference) = &record.ledger else {
                    return broken(format!("{at}: names no ledger"));
                };
                ledger::checked(path, reference)
                    .map(drop)
                    .or_else(|why| broken(format!("{at}: {why}")))
            }
            ("torn_line_kept_aside", path) if !self.alone => {
                let name = text(&record.file).unwrap_or_default();
                let kept = text(&record.sha256).unwrap_or_default();
                match sha256_of(path, name) {
                    Ok(found) if found == kept => Ok(()),
                    Ok(_) => broken(format!("{at}: {name} is not what was kept aside")),
                    Err(error) if self.options.partial => {
                        self.notes.push(format!("{at}: {name}: {error}"));
                        Ok(())
                    }
                    Err(error) => broken(format!("{at}: {name}: {error}")),
                }
            }
            ("trail_damaged", _) => {
                let problem = text(&record.problem).unwrap_or_default();
                let what = format!("{at}: the agent found damage when it started: {problem}");
                self.recorded.get_or_insert(Break(what));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the trail goes as far as it was seen to go.
    fn conclude(&mut self) -> Checked {
        let last = self.last.seq;
        match &self.head {
            _ if self.alone => {}
            Head::At(head) if head.seq > last => {
                return broken(format!(
                    "{}: records {} to {} are missing at the end",
                    self.name,
                    last + 1,
                    head.seq
                ));
            }
            Head::At(_) => {}
            Head::Missing => return broken(format!("{} is missing", layout::HEAD)),
            Head::Unreadable(why) => return broken(format!("{}: {why}", layout::HEAD)),
        }
        match &self.options.expect {
            Some(expect) if expect.seq > last => broken(format!(
                "{}: records {} to {} are missing at the end: record {} is expected",
                self.name,
                last + 1,
                expect.seq,
                expect.seq
            )),
            Some(expect) if self.first.is_none_or(|first| expect.seq < first) => broken(format!(
                "record {} is expected and older than the oldest here",
                expect.seq
            )),
            _ => Ok(()),
        }
    }
}

fn text<'t>(text: &'t Option<Text<'_>>) -> Option<&'t str> {
    text.as_ref().map(|text| text.0.as_ref())
}

fn sha256_of(directory: &Path, name: &str) -> io::Result<String> {
    if name.contains('/') {
        return Err(io::Error::other("not the name of a file of the trail"));
    }
    Ok(sha256(&std::fs::read(directory.join(name))?))
}
