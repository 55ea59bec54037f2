//! The chain of records across files: encoding, appending, going on in a new file.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::anchor::Anchor;
use super::error::TrailError;
use super::event::{Event, TornLineKeptAside, TrailContinued};
use super::hash::sha256;
use super::head::{Head, SharedHead};
use super::log_file::{self, LogFile};
use super::options::TrailOptions;
use super::record::{self, Line};
use super::recovery::{self, Scan};
use super::state::{Known, State};
use super::{files, layout, quarantine};

/// After a rotation that failed, the file grows by this much before the next try.
const RETRY_AFTER: u64 = 1024 * 1024;

/// An event and when it was handed over.
pub(super) type Entry = (OffsetDateTime, Event);

#[derive(Debug)]
pub(super) struct Chain {
    directory: PathBuf,
    environment: String,
    agent_version: String,
    log: LogFile,
    /// Sequence number of the first record of the newest file.
    first: Option<u64>,
    state: State,
    head: SharedHead,
    /// Sequence number in the head file.
    noted: u64,
    rotate_at: u64,
    rotate_next: u64,
    /// A name in the directory may not be durable yet.
    names_pending: bool,
}

/// What opening the files found; not yet recorded.
pub(super) struct Found {
    pub(super) torn: Vec<TornLineKeptAside>,
    pub(super) problems: Vec<String>,
    pub(super) told: Vec<String>,
}

impl Chain {
    /// Opens the files of the trail and repairs what a crash left.
    pub(super) fn open(options: &TrailOptions) -> Result<(Self, Found), TrailError> {
        let directory = options.state_directory.clone();
        let finished = layout::finished_files(&directory)
            .map_err(|e| TrailError::io("read", &directory, &e))?;
        let mut finished = finished.into_iter().map(|(_, name)| name).rev();
        let (last, last_but_one) = (finished.next(), finished.next());
        let head = head_of(&directory, last.is_none())?;
        let (log, mut scan) = open_newest(&directory, last.as_deref(), &head)?;
        let torn = quarantine::unrecorded(&directory, scan.state.newest.seq)?;
        // An empty newest file, or none: what was finished before it is the end of the trail.
        let after = last.filter(|_| scan.first().is_none());
        if let Some(last) = &after {
            scan = scan_finished(&directory, last, last_but_one.as_deref(), &head)?;
        }
        scan.conclude();
        let mut chain = Self {
            directory,
            environment: options.environment.clone(),
            agent_version: options.agent_version.clone(),
            log,
            first: scan.first().filter(|_| after.is_none()),
            head: SharedHead::default(),
            state: scan.state,
            noted: 0,
            rotate_at: options.rotate_at,
            rotate_next: options.rotate_at,
            names_pending: true,
        };
        if let Some(after) = after {
            chain.begin_file(after, false)?;
        }
        let found = Found {
            torn,
            problems: scan.problems,
            told: scan.told,
        };
        Ok((chain, found))
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// From now on what the records amount to is told through `shared`.
    pub(super) fn share(&mut self, shared: &Known) {
        shared.take(&self.state);
        self.state.ledger = shared.ledger.clone();
        self.state.doubts = shared.doubts.clone();
        self.state.last = shared.last.clone();
        self.head = shared.head.clone();
    }

    /// Makes `entries` durable, all of them or none, in this order.
    pub(super) fn record(&mut self, entries: &[Entry]) -> Result<Vec<Anchor>, TrailError> {
        self.sync_names()?;
        let mut bytes = Vec::new();
        let mut lines = Vec::with_capacity(entries.len());
        let mut last = self.state.newest.clone();
        for (at, event) in entries {
            let line = self.encode(&last, *at, event)?;
            last = Anchor {
                seq: last.seq + 1,
                hash: sha256(&line),
            };
            lines.push((bytes.len()..bytes.len() + line.len(), last.clone()));
            bytes.extend(line);
        }
        self.log.append(&bytes)?;
        for (line, anchor) in &lines {
            self.took(&bytes[line.clone()], anchor);
        }
        if !self.log.has_reserve() {
            self.reserve();
        }
        Ok(lines.into_iter().map(|(_, anchor)| anchor).collect())
    }

    /// Whether there is room for more than the outcomes of what is under way.
    pub(super) fn has_reserve(&self) -> bool {
        self.log.has_reserve()
    }

    /// Sets the room behind the last record aside, as far as there is any.
    pub(super) fn reserve(&mut self) {
        if let Err(error) = self.log.reserve() {
            log::warn!("{error}");
        }
    }

    /// Whether an operation begun now could be recorded to its end.
    pub(super) fn probe(&mut self) -> Result<(), TrailError> {
        self.sync_names()?;
        self.log.check()
    }

    /// Notes the newest record in the head file.
    pub(super) fn note_head(&mut self) -> Result<(), TrailError> {
        if self.noted != self.state.newest.seq {
            Head::write(&self.directory, &self.state.newest)?;
            self.noted = self.state.newest.seq;
        }
        Ok(())
    }

    /// How many records the head file is behind.
    pub(super) fn unnoted(&self) -> u64 {
        self.state.newest.seq.saturating_sub(self.noted)
    }

    /// Goes on in a new file once this one is large enough.
    pub(super) fn rotate_if_due(&mut self) {
        let only_one = self
            .first
            .is_none_or(|first| first == self.state.newest.seq);
        if self.log.len() < self.rotate_next || only_one {
            return;
        }
        let name = layout::finished(self.first.unwrap_or(self.state.newest.seq));
        if let Err(error) = self.begin_file(name, true) {
            log::error!("the audit trail stays in one file for now: {error}");
            self.rotate_next = self.log.len() + RETRY_AFTER;
        }
    }

    /// Begins a new newest file after `after`; `rename` when that is still the name to be given to
    /// the present one.
    fn begin_file(&mut self, after: String, rename: bool) -> Result<(), TrailError> {
        let first = self.state.newest.seq + 1;
        let name = layout::ledger(first);
        let ledger = self.state.ledger.read().save(&self.directory, name)?;
        let event = Event::TrailContinued(TrailContinued {
            environment: self.environment.clone(),
            after_file: after.clone(),
            after_seq: self.state.newest.seq,
            ledger,
            doubts: self.state.doubts.get(),
            unfinished: self.state.unfinished.clone(),
        });
        let line = self.encode(&self.state.newest, OffsetDateTime::now_utc(), &event)?;
        let mut next = log_file::next(&self.directory, &line)?;
        self.switch(&after, rename)?;
        next.renamed(self.directory.join(layout::NEWEST));
        self.log = next;
        self.first = Some(first);
        self.rotate_next = self.rotate_at;
        self.names_pending = true;
        let anchor = Anchor {
            seq: first,
            hash: sha256(&line),
        };
        self.took(&line, &anchor);
        if let Err(error) = self.note_head() {
            log::warn!("{error}");
        }
        self.sync_names()
    }

    /// The two renames of a rotation; a crash between them is seen and completed at the next start.
    fn switch(&self, after: &str, rename: bool) -> Result<(), TrailError> {
        let newest = self.directory.join(layout::NEWEST);
        let after = self.directory.join(after);
        if rename {
            fs::rename(&newest, &after).map_err(|e| TrailError::io("rename", &newest, &e))?;
        }
        fs::rename(self.directory.join(layout::NEXT), &newest).map_err(|error| {
            if rename && let Err(left) = fs::rename(&after, &newest) {
                log::error!("cannot name {} again: {left}", newest.display());
            }
            TrailError::io("rename", &newest, &error)
        })
    }

    fn sync_names(&mut self) -> Result<(), TrailError> {
        if self.names_pending {
            files::sync_directory(&self.directory)
                .map_err(|e| TrailError::io("make durable", &self.directory, &e))?;
            self.names_pending = false;
        }
        Ok(())
    }

    fn encode(
        &self,
        last: &Anchor,
        at: OffsetDateTime,
        event: &Event,
    ) -> Result<Vec<u8>, TrailError> {
        record::encode(last.seq + 1, at, &self.agent_version, &last.hash, event).map_err(|error| {
            TrailError::Damaged {
                path: self.directory.join(layout::NEWEST),
                problem: format!("a record cannot be written: {error}"),
            }
        })
    }

    /// A record is durable: now it counts.
    fn took(&mut self, line: &[u8], anchor: &Anchor) {
        self.first.get_or_insert(anchor.seq);
        match Line::parse(line) {
            Ok(line) => self.state.apply(&line, anchor.clone()),
            Err(error) => {
                log::error!("record {} cannot be read back: {error}", anchor.seq);
                self.state.newest = anchor.clone();
            }
        }
        self.head.set(anchor.clone());
    }
}

/// What the head file says; for a directory without a trail it is made.
fn head_of(directory: &Path, none_finished: bool) -> Result<Head, TrailError> {
    let head = Head::read(directory);
    let no_newest = fs::symlink_metadata(directory.join(layout::NEWEST)).is_err();
    if none_finished && head == Head::Missing && no_newest {
        // From here on a missing head means that somebody took it away.
        let none = Anchor::before_the_first();
        Head::write(directory, &none)?;
        return Ok(Head::At(none));
    }
    Ok(head)
}

/// Opens the file that is written to, without what a crash may have left at its end.
fn open_newest(
    directory: &Path,
    before: Option<&str>,
    head: &Head,
) -> Result<(LogFile, Scan), TrailError> {
    let newest = directory.join(layout::NEWEST);
    let mut log = LogFile::open(newest, OpenOptions::new().create(true))?;
    let scan = recovery::scan(directory, layout::NEWEST, log.file(), before, head)?;
    if scan.torn > 0 {
        let seq = scan.state.newest.seq;
        let aside = quarantine::move_aside(directory, log.file(), scan.whole, seq)?;
        log::warn!(
            "{} bytes that are no record are in {}",
            aside.bytes,
            aside.file
        );
        log.cut_to(scan.whole);
        // What was set aside went with the cut. Who else takes it shows at the next record.
        log.reserve().ok();
    }
    Ok((log, scan))
}

fn scan_finished(
    directory: &Path,
    name: &str,
    before: Option<&str>,
    head: &Head,
) -> Result<Scan, TrailError> {
    let file = files::open_own(&directory.join(name), OpenOptions::new().read(true))?;
    let mut scan = recovery::scan(directory, name, &file, before, head)?;
    if scan.torn > 0 {
        scan.problems
            .push(format!("{name}: its last line is not a record"));
    }
    Ok(scan)
}
