//! What the records so far amount to: where the chain stands, the ledger, what is under way.

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use super::anchor::Anchor;
use super::doubts::SharedDoubts;
use super::event::Unfinished;
use super::head::SharedHead;
use super::last::SharedLast;
use super::ledger::{LastRun, Ledger, LedgerEntry, RanImage};
use super::record::{Line, Text, owned};

/// The ledger, shared with whoever looks a tag up.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedLedger(Arc<RwLock<Ledger>>);

impl SharedLedger {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Ledger> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn(&self, line: &Line<'_>) {
        let mut ledger = self.0.write().unwrap_or_else(PoisonError::into_inner);
        learn(&mut ledger, line);
    }

    pub(super) fn set(&self, ledger: Ledger) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ledger;
    }

    fn take(&self) -> Ledger {
        std::mem::take(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is known of the trail, shared with whoever asks; nothing before it is open.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) ledger: SharedLedger,
    /// Why the ledger may not know every tag.
    pub(super) doubts: SharedDoubts,
    pub(super) last: SharedLast,
    pub(super) head: SharedHead,
    /// What was wrong with the trail when it was opened.
    pub(super) damage: Arc<OnceLock<Vec<String>>>,
}

impl Known {
    /// Takes over what a trail amounts to.
    pub(super) fn take(&self, state: &State) {
        self.ledger.set(state.ledger.take());
        self.doubts.set(state.doubts.get());
        self.last.set(state.last.get());
        self.head.set(state.newest.clone());
    }
}

/// Takes in a `tag_ran` record.
pub(super) fn learn(ledger: &mut Ledger, line: &Line<'_>) {
    let (Some(reference), Some(image_id)) = (&line.reference, &line.image_id) else {
        return;
    };
    let image = RanImage {
        digest: owned(line.digest.as_ref()),
        image_id: image_id.as_str().to_owned(),
    };
    let entry = LedgerEntry {
        digest: image.digest.clone(),
        image_id: image.image_id.clone(),
        first_ran_at: line.at.clone().into_owned(),
        last_run: None,
        operation: owned(line.operation.as_ref()).unwrap_or_default(),
    };
    let run = LastRun {
        at: line.at.clone().into_owned(),
        seq: line.seq,
        image: Some(image),
    };
    ledger.learn(reference.as_str(), run, entry);
}

/// The sum of all records up to `newest`.
#[derive(Debug)]
pub(super) struct State {
    pub(super) newest: Anchor,
    pub(super) ledger: SharedLedger,
    /// Why the ledger may not know every tag.
    pub(super) doubts: SharedDoubts,
    pub(super) last: SharedLast,
    /// Oldest first.
    pub(super) unfinished: Vec<Unfinished>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            newest: Anchor::before_the_first(),
            ledger: SharedLedger::default(),
            doubts: SharedDoubts::default(),
            last: SharedLast::default(),
            unfinished: Vec::new(),
        }
    }

    /// Goes on by one record, which is `now`.
    pub(super) fn apply(&mut self, line: &Line<'_>, now: Anchor) {
        self.newest = now;
        self.last.follow(line);
        match line.event.as_ref() {
            "operation_started" => self.begin(line),
            "step_started" => {
                let step = owned(line.step.as_ref());
                if let Some(one) = self.find(line) {
                    one.last_step = step;
                }
            }
            "operation_ended" | "operation_interrupted" => {
                let asked = self.find(line).and_then(|one| one.image.clone());
                self.last.take(line, asked);
                let ended = line.operation.as_ref().map(Text::as_str);
                self.unfinished
                    .retain(|one| Some(one.operation.as_str()) != ended);
            }
            "tag_ran" => self.ledger.learn(line),
            _ => self.doubts.apply(line),
        }
    }

    fn begin(&mut self, line: &Line<'_>) {
        if self.find(line).is_some() {
            return;
        }
        self.unfinished.push(Unfinished {
            operation: owned(line.operation.as_ref()).unwrap_or_default(),
            kind: owned(line.kind.as_ref()).unwrap_or_default(),
            image: owned(line.image.as_ref()),
            last_step: None,
        });
    }

    fn find(&mut self, line: &Line<'_>) -> Option<&mut Unfinished> {
        let operation = line.operation.as_ref()?;
        self.unfinished
            .iter_mut()
            .find(|one| one.operation == operation.as_str())
    }
}
