//! Reading the newest file at start: what a crash left, and what somebody changed.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::TrailError;
use super::layout;
use super::ledger::Ledger;
use super::record::{Line, NO_RECORD, sha256};
use super::stamp::Head;
use super::state::State;
use super::verify::Anchor;

/// More problems than this say nothing new.
const PROBLEMS: usize = 8;
/// No line is longer; enough to find the last line of a file from its end.
const LONGEST_LINE: u64 = 1024 * 1024;
const BUFFER: usize = 256 * 1024;

/// What a file of the trail was found to hold.
pub(super) struct Scan {
    pub(super) state: State,
    /// Sequence number of its first record.
    pub(super) first: Option<u64>,
    /// Bytes up to the end of its last whole record.
    pub(super) whole: u64,
    /// Bytes after that.
    pub(super) torn: u64,
    /// What is wrong with it and not yet recorded in it.
    pub(super) problems: Vec<String>,
    /// What is wrong with it and recorded in it.
    pub(super) told: Vec<String>,
    said: HashSet<String>,
    number: u64,
    /// The line before could not be read.
    gap: bool,
    ledger_lost: bool,
}

/// Reads `file`, which is `directory/name`, from its beginning.
pub(super) fn scan(
    directory: &Path,
    name: &str,
    file: &File,
    head: &Head,
) -> Result<Scan, TrailError> {
    let path = directory.join(name);
    let failed = |error: io::Error| TrailError::io("read", &path, &error);
    let mut reader = BufReader::with_capacity(BUFFER, file);
    reader.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut scan = Scan::new();
    let mut line = Vec::new();
    let mut hash = NO_RECORD.to_owned();
    let mut unreadable = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(failed)? as u64;
        if read == 0 {
            break;
        }
        scan.number += 1;
        let record = line.ends_with(b"\n").then(|| Line::parse(&line));
        let before = std::mem::replace(&mut hash, sha256(&line));
        match record {
            Some(Ok(record)) => {
                scan.whole += std::mem::take(&mut scan.torn) + read;
                scan.gap = !unreadable.is_empty();
                scan.problems.append(&mut unreadable);
                scan.take(directory, name, &record, &before, &hash, head);
            }
            Some(Err(_)) if Line::is_of_another_version(&line) => {
                let line = scan.number;
                let problem = format!(
                    "line {line} is of another version of the format: a newer agent wrote it"
                );
                return Err(TrailError::Damaged { path, problem });
            }
            _ => {
                scan.torn += read;
                if unreadable.len() < PROBLEMS {
                    unreadable.push(format!("{name} line {}: not a record", scan.number));
                }
            }
        }
    }
    if scan.ledger_lost {
        rebuild_ledger(directory, &scan.state)
            .map_err(|e| TrailError::io("read", directory, &e))?;
    }
    Ok(scan)
}

impl Scan {
    fn new() -> Self {
        Self {
            state: State::new(),
            first: None,
            whole: 0,
            torn: 0,
            problems: Vec::new(),
            told: Vec::new(),
            said: HashSet::new(),
            number: 0,
            gap: false,
            ledger_lost: false,
        }
    }

    fn take(
        &mut self,
        directory: &Path,
        name: &str,
        record: &Line<'_>,
        before: &str,
        hash: &str,
        head: &Head,
    ) {
        if self.first.is_none() {
            self.first = Some(record.seq);
            self.begin(directory, name, record);
        } else if !self.gap && (record.seq != self.state.seq + 1 || record.prev != before) {
            self.problem(format!(
                "{name} line {}: record {} does not follow the line before it",
                self.number, record.seq
            ));
        }
        if let Head::At(head) = head
            && head.seq == record.seq
            && head.hash != hash
        {
            self.problem(format!(
                "{name} line {}: record {} is not the one that was written",
                self.number, record.seq
            ));
        }
        if record.event == "trail_damaged"
            && let Some(problem) = &record.problem
        {
            self.said.insert(problem.0.clone().into_owned());
        }
        self.state.apply(record, hash.to_owned());
    }

    /// The first record of a file says what everything before it amounts to.
    fn begin(&mut self, directory: &Path, name: &str, record: &Line<'_>) {
        if record.event == "trail_continued" {
            let loaded = record
                .ledger
                .as_ref()
                .ok_or_else(|| format!("{name} line 1: names no ledger"))
                .and_then(|reference| Ledger::load(directory, reference));
            match loaded {
                Ok(ledger) => self.state.ledger.set(ledger),
                Err(problem) => {
                    self.ledger_lost = true;
                    self.problem(problem);
                }
            }
            self.state.unfinished.clone_from(&record.unfinished);
            let last = record
                .after_file
                .as_ref()
                .and_then(|file| last_line_hash(directory, &file.0));
            if last.is_some_and(|last| last != record.prev) {
                self.problem(format!(
                    "{name} line 1: does not follow the last line of the file before it"
                ));
            }
        } else if record.seq != 1 || record.prev != NO_RECORD {
            self.ledger_lost = true;
            self.problem(format!(
                "{name} line {}: the records before record {} are missing",
                self.number, record.seq
            ));
        }
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Compares with the head, and sorts out what has been recorded before.
    pub(super) fn conclude(&mut self, head: &Head) {
        match head {
            Head::At(Anchor { seq, .. }) if *seq > self.state.seq => {
                self.problems.push(format!(
                    "records {} to {seq} are missing at the end of the trail",
                    self.state.seq + 1
                ));
            }
            Head::At(_) => {}
            Head::Missing if self.state.seq == 0 => {}
            Head::Missing => self.problem(format!("{} is missing", layout::HEAD)),
            Head::Unreadable(why) => self.problem(format!("{}: {why}", layout::HEAD)),
        }
        let said = &self.said;
        let (told, fresh) = std::mem::take(&mut self.problems)
            .into_iter()
            .partition(|problem| said.contains(problem));
        self.told = told;
        self.problems = fresh;
    }
}

/// SHA-256 of the last line of `directory/name`, if there is such a file.
fn last_line_hash(directory: &Path, name: &str) -> Option<String> {
    if name.contains('/') {
        return None;
    }
    let mut file = File::open(directory.join(name)).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_LINE)))
        .ok()?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).ok()?;
    let body = end.strip_suffix(b"\n").unwrap_or(&end);
    let start = body
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    Some(sha256(&end[start..]))
}

/// Reads all finished files for what ran: slow, and only when the newest file cannot say.
fn rebuild_ledger(directory: &Path, state: &State) -> io::Result<()> {
    let mut ledger = Ledger::default();
    let finished = layout::finished_files(directory)?;
    for name in finished.into_iter().map(|(_, name)| name) {
        learn_from(&mut ledger, File::open(directory.join(name))?)?;
    }
    if let Some(newest) = layout::open_if_there(&directory.join(layout::NEWEST))? {
        learn_from(&mut ledger, newest)?;
    }
    state.ledger.set(ledger);
    Ok(())
}

fn learn_from(ledger: &mut Ledger, file: File) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if let Ok(record) = Line::parse(&line)
            && record.event == "tag_ran"
        {
            ledger.learn(&record);
        }
        line.clear();
    }
    Ok(())
}
