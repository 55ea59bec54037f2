//! Reading the newest file at a start: what a crash left, and what somebody changed.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;

use super::anchor::Anchor;
use super::error::TrailError;
use super::hash::sha256;
use super::head::Head;
use super::layout;
use super::ledger::Ledger;
use super::lines::{LineReader, last_line};
use super::record::{Line, NotARecord};
use super::regular::open_regular;
use super::state::{State, learn};
use super::verifier::{Verifier, Violation};

/// More problems than this say nothing new.
const MAX_PROBLEMS: usize = 8;

/// What a file of the trail was found to hold.
pub(super) struct Scan {
    pub(super) state: State,
    /// Bytes up to the end of its last whole record.
    pub(super) whole: u64,
    /// Bytes after that.
    pub(super) torn: u64,
    /// What is wrong with it and not yet recorded in it.
    pub(super) problems: Vec<String>,
    /// What is wrong with it and recorded in it.
    pub(super) told: Vec<String>,
    said: HashSet<String>,
    verifier: Verifier,
    ledger_lost: bool,
    /// Whether the head file says anything.
    head: Result<(), Violation>,
}

/// Reads `file`, which is `directory/name` and follows the file `before`, from its beginning; `head` is what the head
/// file says.
///
/// # Errors
/// It cannot be read, or a newer agent wrote it, or it holds what no crash leaves: a line without end.
pub(super) fn scan(
    directory: &Path,
    name: &str,
    file: &File,
    before: Option<&str>,
    head: &Head,
) -> Result<Scan, TrailError> {
    let path = directory.join(name);
    let failed = |error: io::Error| TrailError::io("read", &path, &error);
    let mut lines = file.try_clone().and_then(LineReader::new).map_err(failed)?;
    let mut scan = Scan::begin(directory, before, head);
    scan.verifier.begin_file(name);
    let mut unreadable = Vec::new();
    while let Some(line) = lines.next().map_err(failed)? {
        match scan.verifier.take(line) {
            Ok((record, violation)) => {
                scan.whole += std::mem::take(&mut scan.torn) + line.length();
                for violation in unreadable.drain(..).chain(violation) {
                    scan.problem(&violation);
                }
                let now = scan.verifier.last().clone();
                scan.take(directory, &record, now);
            }
            Err(why @ (NotARecord::OtherVersion(_) | NotARecord::TooLong)) => {
                let problem = format!("{}: {why}", scan.verifier.at());
                return Err(TrailError::Damaged { path, problem });
            }
            // At the end of the file these are bytes that a crash left; before a record they are damage.
            Err(why) => {
                scan.torn += line.length();
                if unreadable.len() < MAX_PROBLEMS {
                    unreadable.push(scan.verifier.not_a_record(&why));
                }
            }
        }
    }
    if scan.ledger_lost {
        let rebuilt =
            rebuild_ledger(directory).map_err(|e| TrailError::io("read", directory, &e))?;
        scan.state.ledger.set(rebuilt);
    }
    Ok(scan)
}

impl Scan {
    fn begin(directory: &Path, before: Option<&str>, head: &Head) -> Self {
        let (mut verifier, violation) = match before.map(|name| (name, end_of(directory, name))) {
            None => (Verifier::new(true), None),
            Some((name, Ok(last))) => (Verifier::behind(name.to_owned(), last), None),
            Some((_, Err(violation))) => (Verifier::new(true), Some(violation)),
        };
        let head = verifier.expect_head(head);
        let mut scan = Self {
            state: State::new(),
            whole: 0,
            torn: 0,
            problems: Vec::new(),
            told: Vec::new(),
            said: HashSet::new(),
            verifier,
            ledger_lost: false,
            head,
        };
        violation
            .iter()
            .for_each(|violation| scan.problem(violation));
        scan
    }

    fn take(&mut self, directory: &Path, record: &Line<'_>, now: Anchor) {
        if self.verifier.read().0 == 1 {
            self.take_sum(directory, record);
        }
        if record.event == "trail_damaged"
            && let Some(problem) = &record.problem
        {
            self.said.insert(problem.as_str().to_owned());
        }
        self.state.apply(record, now);
    }

    /// Sequence number of its first record.
    pub(super) fn first(&self) -> Option<u64> {
        self.verifier.read().1
    }

    /// The first record of a file says what everything before it amounts to.
    fn take_sum(&mut self, directory: &Path, record: &Line<'_>) {
        if record.event != "trail_continued" {
            self.ledger_lost = record.seq != 1;
            return;
        }
        let loaded = match &record.ledger {
            Some(reference) => Ledger::load(directory, reference),
            None => Err("names no ledger".to_owned()),
        };
        match loaded {
            Ok(ledger) => self.state.ledger.set(ledger),
            Err(why) => {
                self.ledger_lost = true;
                let what = format!("{}: {why}", self.verifier.at());
                self.problem(&Violation::new(what));
            }
        }
        self.state.unfinished.clone_from(&record.unfinished);
    }

    fn problem(&mut self, violation: &Violation) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(violation.to_string());
        }
    }

    /// Compares its end with the head, and sorts out what has been recorded before.
    pub(super) fn conclude(&mut self) {
        let end = self.verifier.conclude();
        for violation in [self.head.clone(), end].into_iter().filter_map(Result::err) {
            // Never left out for those before it: it says that records are gone.
            self.problems.push(violation.to_string());
        }
        let said = &self.said;
        let (told, fresh) = std::mem::take(&mut self.problems)
            .into_iter()
            .partition(|problem| said.contains(problem));
        self.told = told;
        self.problems = fresh;
    }
}

/// The last record of the finished file `name`.
fn end_of(directory: &Path, name: &str) -> Result<Anchor, Violation> {
    let violation = |why: String| Violation::new(format!("{name}: {why}"));
    let line = open_regular(&directory.join(name))
        .and_then(|file| last_line(&file))
        .map_err(|error| violation(error.to_string()))?
        .unwrap_or_default();
    match Line::parse(&line) {
        Ok(record) if line.ends_with(b"\n") => Ok(Anchor {
            seq: record.seq,
            hash: sha256(&line),
        }),
        _ => Err(violation("its last line is not a record".to_owned())),
    }
}

/// Reads all files for what ran: slow, and only when the newest file cannot say.
fn rebuild_ledger(directory: &Path) -> io::Result<Ledger> {
    let mut ledger = Ledger::default();
    let finished = layout::finished_files(directory)?;
    let names = finished.into_iter().map(|(_, name)| name);
    for name in names.chain([layout::NEWEST.to_owned()]) {
        // What is no file of a trail cannot tell what ran.
        let Ok(file) = open_regular(&directory.join(name)) else {
            continue;
        };
        let mut lines = LineReader::new(file)?;
        while let Some(line) = lines.next()? {
            match line.record() {
                Ok(record) if record.event == "tag_ran" => learn(&mut ledger, &record),
                Err(NotARecord::TooLong) => break,
                Ok(_) | Err(_) => {}
            }
        }
    }
    Ok(ledger)
}
