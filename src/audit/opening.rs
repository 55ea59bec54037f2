//! How a trail is opened: the directory, the files in it, the first records. On a full disk with the room that is kept.

use std::fs::File;

use time::OffsetDateTime;

use super::chain::{Chain, Entry, Found};
use super::directory;
use super::error::{TrailError, is_no_room};
use super::event::{AgentStarted, Event, TrailDamaged};
use super::options::{Opened, Quarantined, TrailOptions};
use super::reserve::Reserve;

/// A state directory to be opened, or held open.
#[derive(Debug)]
pub(super) struct Opening {
    options: TrailOptions,
    /// Held from the first try that got so far.
    lock: Option<File>,
    pub(super) reserve: Reserve,
}

impl Opening {
    pub(super) fn new(options: TrailOptions) -> Self {
        let reserve = Reserve::of(options.state_directory.clone());
        Self {
            options,
            lock: None,
            reserve,
        }
    }

    /// Takes the directory, repairs what a crash left, and writes `agent_started`.
    ///
    /// # Errors
    /// Among others: there is no room, not even when the reserve is given back.
    pub(super) fn attempt(&mut self) -> Result<(Chain, Opened), TrailError> {
        let mut opened = self.open();
        while is_no_room(&opened) && self.reserve.give_back() {
            opened = self.open();
        }
        opened
    }

    /// The same, once there is as much room as the reserve takes: before that, nothing is read.
    ///
    /// # Errors
    /// As [`attempt`](Self::attempt).
    pub(super) fn attempt_again(&mut self) -> Result<(Chain, Opened), TrailError> {
        self.take_directory()?;
        self.reserve.keep()?;
        self.attempt()
    }

    fn take_directory(&mut self) -> Result<(), TrailError> {
        if self.lock.is_none() {
            let TrailOptions {
                state_directory,
                environment,
                ..
            } = &self.options;
            self.lock = Some(directory::take(state_directory, environment)?);
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(Chain, Opened), TrailError> {
        self.take_directory()?;
        let (mut chain, found) = Chain::open(&self.options)?;
        let mut opened = Opened {
            torn: found.torn.last().map(|torn| Quarantined {
                file: torn.file.clone(),
                bytes: torn.bytes,
            }),
            unfinished: chain.state().unfinished.clone(),
            problems: [&found.told[..], &found.problems[..]].concat(),
            ledger_tags: chain.state().ledger.read().len(),
            seq: 0,
        };
        // A start before this one may have got no further than the names.
        let new_trail = chain.state().newest.seq == 0 && found.problems.is_empty();
        chain.record(&first_records(&self.options, new_trail, found))?;
        match chain.note_head() {
            // It is behind, as it often is.
            Err(error) if error.is_no_room() => log::warn!("{error}"),
            noted => noted?,
        }
        opened.seq = chain.state().newest.seq;
        Ok((chain, opened))
    }
}

fn first_records(options: &TrailOptions, new_trail: bool, found: Found) -> Vec<Entry> {
    let started = Event::AgentStarted(AgentStarted {
        environment: options.environment.clone(),
        pid: std::process::id(),
        new_trail,
    });
    let damaged = |problem| Event::TrailDamaged(TrailDamaged { problem });
    std::iter::once(started)
        .chain(found.torn.into_iter().map(Event::TornLineKeptAside))
        .chain(found.problems.into_iter().map(damaged))
        .map(|event| (OffsetDateTime::now_utc(), event))
        .collect()
}
