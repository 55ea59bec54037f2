//! The trail as its writer has it: open, or waiting for room; what it is owed; and what is wrong with it.

use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::anchor::Anchor;
use super::bounds::to_json;
use super::chain::{Chain, Entry};
use super::error::{TrailError, is_no_room};
use super::opening::Opening;
use super::options::{Opened, Readiness, TrailOptions};
use super::record;
use super::state::Known;

/// How often it is looked at whether the trail can be written.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);
/// So many records at most wait for room: those of some twenty stops.
const MAX_OWED: usize = 256;

/// What a record may take on a full disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing of what is set aside for what is under way.
    Spare,
    /// The room behind the last record.
    Ordinary,
    /// The same; without it, it is written as soon as there is room.
    Owed,
    /// The reserve as well; without it, it is written as soon as there is room.
    Stop,
}

pub(super) struct Store {
    opening: Opening,
    /// Or why it is not open.
    chain: Result<Chain, TrailError>,
    known: Known,
    owed: Vec<Entry>,
    /// Whether operations may begin, apart from the disk.
    admits: bool,
    trouble: watch::Sender<Option<String>>,
    /// Who waits for a trail to be opened late.
    awaited: Option<oneshot::Sender<Opened>>,
    checked: Instant,
}

impl Store {
    /// Opens a trail. On a disk without any room it waits for some, and says through the receiver what it found then.
    ///
    /// # Errors
    /// Whatever is not mended by room.
    pub(super) fn open(
        options: TrailOptions,
        known: Known,
        trouble: watch::Sender<Option<String>>,
    ) -> Result<(Self, Readiness), TrailError> {
        let mut opening = Opening::new(options);
        let (awaited, later) = oneshot::channel();
        let (chain, readiness) = match opening.attempt() {
            Ok((chain, opened)) => (Ok(chain), Readiness::Open(opened)),
            Err(error) if error.is_no_room() => {
                (Err(error.clone()), Readiness::Waiting(error, later))
            }
            Err(error) => return Err(error),
        };
        let mut store = Self {
            opening,
            admits: chain.is_ok(),
            chain,
            known,
            owed: Vec::new(),
            trouble,
            awaited: Some(awaited),
            checked: Instant::now(),
        };
        if let Readiness::Open(opened) = &readiness {
            store.share(opened);
        }
        store.check().ok(); // It says itself what it finds.
        Ok((store, readiness))
    }

    fn share(&mut self, opened: &Opened) {
        if let Ok(chain) = &mut self.chain {
            chain.share(&self.known);
        }
        // Set once: a trail is opened once.
        self.known.damage.set(opened.problems.clone()).ok();
    }

    /// Makes `entries` durable, all of them or none, behind what is owed.
    pub(super) fn record(
        &mut self,
        entries: &[Entry],
        claim: Claim,
    ) -> Result<Vec<Anchor>, TrailError> {
        self.pay(claim)?;
        self.write(entries, claim)
    }

    fn write(&mut self, entries: &[Entry], claim: Claim) -> Result<Vec<Anchor>, TrailError> {
        let chain = self.chain.as_mut().map_err(|why| why.clone())?;
        let mut recorded = chain.record(entries);
        while claim == Claim::Stop && is_no_room(&recorded) && self.opening.reserve.give_back() {
            // Before somebody else takes it.
            chain.reserve();
            recorded = chain.record(entries);
        }
        recorded
    }

    /// Keeps a record for when there is room.
    pub(super) fn owe(&mut self, entry: Entry) {
        if self.owed.len() < MAX_OWED {
            self.owed.push(entry);
        } else {
            lost(&entry);
        }
    }

    /// Writes what is owed.
    fn pay(&mut self, claim: Claim) -> Result<(), TrailError> {
        let mut owed = std::mem::take(&mut self.owed);
        while !owed.is_empty() {
            if self.write(&owed, claim).is_ok() {
                owed.clear();
            } else if let Err(error) = self.write(&owed[..1], claim) {
                self.owed = owed;
                return Err(error);
            } else {
                owed.remove(0);
            }
        }
        Ok(())
    }

    /// Whether an operation begun now could be recorded to its end, and a stop after it; told when that changes.
    pub(super) fn check(&mut self) -> Result<(), TrailError> {
        self.checked = Instant::now();
        let able = self.able();
        let trouble = able.as_ref().err().map(ToString::to_string);
        if *self.trouble.borrow() != trouble {
            match &trouble {
                Some(why) => log::error!(
                    "the audit trail cannot be written: {why}; deploys are refused, a stop is carried out"
                ),
                None => log::info!("the audit trail can be written again"),
            }
            self.trouble.send_replace(trouble);
        }
        able
    }

    fn able(&mut self) -> Result<(), TrailError> {
        self.pay(Claim::Owed)?;
        self.chain.as_mut().map_err(|why| why.clone())?.probe()?;
        self.opening.reserve.keep()?;
        match self.admits {
            true => Ok(()),
            false => Err(TrailError::NotReady),
        }
    }

    /// Opens what waits, pays what is owed and sees what is wrong, now and then.
    pub(super) fn tick(&mut self) {
        let untold = !self.owed.is_empty() && self.trouble.borrow().is_none();
        if self.checked.elapsed() < INTERVAL && !untold {
            return;
        }
        if self.chain.is_err() {
            match self.opening.attempt_again() {
                Ok((chain, opened)) => {
                    self.chain = Ok(chain);
                    self.share(&opened);
                    let awaited = self.awaited.take().map(|awaited| awaited.send(opened));
                    // Nobody waits for it: then nothing is to be done before operations may begin.
                    self.admits = !matches!(awaited, Some(Ok(())));
                }
                Err(why) => self.chain = Err(why),
            }
        }
        self.check().ok(); // It says itself what it finds.
    }

    /// From now on operations may begin.
    pub(super) fn admit(&mut self) {
        self.admits = true;
        self.check().ok(); // It says itself what it finds.
    }

    /// Whether there is room for more than what is under way.
    pub(super) fn has_spare(&self) -> bool {
        self.chain.as_ref().is_ok_and(Chain::has_reserve)
    }

    pub(super) fn rotate_if_due(&mut self) {
        if let Ok(chain) = &mut self.chain {
            chain.rotate_if_due();
        }
    }

    /// How many records the head file is behind.
    pub(super) fn unnoted(&self) -> u64 {
        self.chain.as_ref().map_or(0, Chain::unnoted)
    }

    pub(super) fn note_head(&mut self) {
        if let Ok(chain) = &mut self.chain
            && let Err(error) = chain.note_head()
        {
            log::warn!("{error}");
        }
    }
}

impl Drop for Store {
    /// What found no room to the end is in the log at least.
    fn drop(&mut self) {
        if !self.owed.is_empty() && self.pay(Claim::Owed).is_err() {
            self.owed.iter().for_each(lost);
        }
    }
}

fn lost((at, event): &Entry) {
    let event = to_json(event).unwrap_or_default();
    log::error!(
        "not in the audit trail, for which there was no room: {} {}",
        record::timestamp(*at),
        String::from_utf8_lossy(&event)
    );
}
