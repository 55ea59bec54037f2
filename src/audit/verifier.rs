//! The rules of the chain, in one place: recovery, `verify` and `history` read through them.

use std::collections::BTreeMap;

use super::anchor::Anchor;
use super::hash::NO_RECORD;
use super::head::Head;
use super::layout::HEAD;
use super::lines::RawLine;
use super::record::{Line, NotARecord};

/// Where a trail is not what was written, and how. `Display` names file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Violation(String);

impl Violation {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// Reads a trail in its order, line by line, and says where it breaks the rules. After a violation it goes on from the
/// record that is there, so that one change is one violation.
pub(crate) struct Verifier {
    /// What came before the first file may be missing.
    partial: bool,
    /// Records that somebody noted, by sequence number: the head file, and whoever keeps anchors.
    noted: BTreeMap<u64, Vec<Noted>>,
    /// The oldest record that was read.
    first: Option<u64>,
    last: Anchor,
    records: u64,
    /// Name of the file being read, which of its lines, and name of the one before it.
    file: String,
    number: u64,
    before: Option<String>,
    /// The line before could not be read: what it was followed by cannot be told.
    gap: bool,
}

struct Noted {
    hash: String,
    by: NotedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotedBy {
    Head,
    Caller,
}

impl Verifier {
    /// For a trail from its first record on; with `partial` from whatever record is the first.
    pub(crate) fn new(partial: bool) -> Self {
        Self {
            partial,
            noted: BTreeMap::new(),
            first: None,
            last: Anchor::before_the_first(),
            records: 0,
            file: String::new(),
            number: 0,
            before: None,
            gap: false,
        }
    }

    /// For what comes behind the file `before`, whose last record is `last`.
    pub(super) fn behind(before: String, last: Anchor) -> Self {
        Self {
            file: before,
            last,
            ..Self::new(true)
        }
    }

    /// A record that must be there.
    pub(super) fn expect(&mut self, anchor: &Anchor) {
        self.note(anchor, NotedBy::Caller);
    }

    /// What the head file says.
    ///
    /// # Errors
    /// It is missing or says nothing, as a violation.
    pub(super) fn expect_head(&mut self, head: &Head) -> Result<(), Violation> {
        match head {
            Head::At(anchor) => {
                self.note(anchor, NotedBy::Head);
                Ok(())
            }
            Head::Missing => Err(Violation(format!("{HEAD} is missing"))),
            Head::Unreadable(why) => Err(Violation(format!("{HEAD}: {why}"))),
        }
    }

    fn note(&mut self, anchor: &Anchor, by: NotedBy) {
        let hash = anchor.hash.clone();
        self.noted
            .entry(anchor.seq)
            .or_default()
            .push(Noted { hash, by });
    }

    /// Says that the lines from here on are those of the file `name`.
    pub(crate) fn begin_file(&mut self, name: &str) {
        let before = std::mem::replace(&mut self.file, name.to_owned());
        self.before = (!before.is_empty()).then_some(before);
        self.number = 0;
        self.gap = false;
    }

    /// Takes the next line: its record, and whether it may come where it stands.
    ///
    /// # Errors
    /// The line is no record; whether that is a violation is the caller's to say ([`Verifier::not_a_record`]), because
    /// the last line may be one that is being written.
    pub(crate) fn take<'l>(
        &mut self,
        line: RawLine<'l>,
    ) -> Result<(Line<'l>, Option<Violation>), NotARecord> {
        self.number += 1;
        let record = match line.record() {
            Ok(record) => record,
            Err(error) => {
                self.gap = true;
                return Err(error);
            }
        };
        let now = Anchor {
            seq: record.seq,
            hash: line.hash(),
        };
        let violation = self
            .follows(&record)
            .and_then(|()| self.is_as_noted(&now))
            .err();
        self.gap = false;
        self.records += 1;
        self.first.get_or_insert(now.seq);
        self.last = now;
        Ok((record, violation))
    }

    /// The violation of a line that is no record.
    pub(crate) fn not_a_record(&self, why: &NotARecord) -> Violation {
        Violation(format!("{}: {why}", self.at()))
    }

    /// Whether `record` may come where it stands.
    fn follows(&self, record: &Line<'_>) -> Result<(), Violation> {
        let at = self.at();
        let broken = |what: String| Err(Violation(format!("{at}: {what}")));
        let continues = record.event == "trail_continued";
        if self.last.seq == 0 && self.records == 0 && !self.gap {
            return match continues {
                false if record.seq == 1 && record.prev == NO_RECORD => Ok(()),
                true if self.partial => Ok(()),
                _ => broken(format!(
                    "the records before record {} are missing",
                    record.seq
                )),
            };
        }
        if !self.gap {
            self.is_next(&at, record)?;
        }
        if continues != (self.number == 1 && self.before.is_some()) {
            return broken("a file of the trail begins where none should, or none".to_owned());
        }
        let names_before = record.after_seq == Some(self.last.seq)
            && record.after_file.as_ref().map(|file| file.as_str()) == self.before.as_deref();
        if continues && !self.gap && !names_before {
            return broken("names another file before it".to_owned());
        }
        Ok(())
    }

    fn is_next(&self, at: &str, record: &Line<'_>) -> Result<(), Violation> {
        let expected = self.last.seq + 1;
        if record.seq != expected {
            let what = format!("record {} where record {expected} should be", record.seq);
            let whose = match (self.number, &self.before) {
                (1, Some(_)) => ": the file before it does not end as it was written",
                _ => "",
            };
            return Err(Violation(format!("{at}: {what}{whose}")));
        }
        if record.prev == self.last.hash {
            return Ok(());
        }
        Err(Violation(match self.number {
            1 => format!("{at}: the file before it does not end as it was written"),
            n => format!("{} line {}: changed after it was written", self.file, n - 1),
        }))
    }

    fn is_as_noted(&self, now: &Anchor) -> Result<(), Violation> {
        let other = |noted: &&Noted| noted.hash != now.hash;
        let Some(noted) = self
            .noted
            .get(&now.seq)
            .and_then(|all| all.iter().find(other))
        else {
            return Ok(());
        };
        let whose = match noted.by {
            NotedBy::Head => format!("that {HEAD} notes"),
            NotedBy::Caller => "expected".to_owned(),
        };
        let what = format!("record {} is not the one {whose}", now.seq);
        Err(Violation(format!("{}: {what}", self.at())))
    }

    /// Whether the trail goes as far as it was seen to go, and back as far as it is asked for.
    pub(super) fn conclude(&self) -> Result<(), Violation> {
        let last = self.last.seq;
        if let Some((seq, noted)) = self.noted.last_key_value().filter(|(seq, _)| **seq > last) {
            let expected = match noted.first().map(|noted| noted.by) {
                Some(NotedBy::Caller) => format!(": record {seq} is expected"),
                Some(NotedBy::Head) | None => String::new(),
            };
            return Err(Violation(format!(
                "records {} to {seq} are missing at the end of the trail{expected}",
                last + 1
            )));
        }
        let by_caller = |noted: &Noted| noted.by == NotedBy::Caller;
        let mut asked = self
            .noted
            .iter()
            .filter(|(_, noted)| noted.iter().any(by_caller));
        match asked.next() {
            Some((seq, _)) if self.first.is_none_or(|first| *seq < first) => Err(Violation(
                format!("record {seq} is expected and older than the oldest here"),
            )),
            _ => Ok(()),
        }
    }

    /// `FILE line N`.
    pub(super) fn at(&self) -> String {
        format!("{} line {}", self.file, self.number)
    }

    /// How many records were read, and the oldest of them.
    pub(super) fn read(&self) -> (u64, Option<u64>) {
        (self.records, self.first)
    }

    /// The newest record that was read.
    pub(super) fn last(&self) -> &Anchor {
        &self.last
    }
}
