//! What the records so far amount to: where the chain stands, the ledger, what is under way.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::event::Unfinished;
use super::ledger::Ledger;
use super::record::{Line, NO_RECORD, owned};
use super::trail::Receipt;

/// The ledger, shared with whoever looks a tag up.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedLedger(Arc<RwLock<Ledger>>);

impl SharedLedger {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Ledger> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn(&self, line: &Line<'_>) {
        let mut ledger = self.0.write().unwrap_or_else(PoisonError::into_inner);
        ledger.learn(line);
    }

    pub(super) fn set(&self, ledger: Ledger) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ledger;
    }
}

/// The sum of all records up to `seq`.
#[derive(Debug)]
pub(super) struct State {
    pub(super) seq: u64,
    /// Of the line of `seq`; what the next record's `prev` will be.
    pub(super) hash: String,
    pub(super) ledger: SharedLedger,
    /// Oldest first.
    pub(super) unfinished: Vec<Unfinished>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            seq: 0,
            hash: NO_RECORD.to_owned(),
            ledger: SharedLedger::default(),
            unfinished: Vec::new(),
        }
    }

    pub(super) fn receipt(&self) -> Receipt {
        Receipt {
            seq: self.seq,
            hash: self.hash.clone(),
        }
    }

    /// Goes on by one record whose line has this `hash`.
    pub(super) fn apply(&mut self, line: &Line<'_>, hash: String) {
        self.seq = line.seq;
        self.hash = hash;
        match line.event.as_ref() {
            "operation_started" => self.begin(line),
            "step_started" => {
                let step = owned(line.step.as_ref());
                if let Some(one) = self.find(line) {
                    one.last_step = step;
                }
            }
            "operation_ended" | "operation_interrupted" => {
                let ended = line.operation.as_ref().map(|text| text.0.as_ref());
                self.unfinished
                    .retain(|one| Some(one.operation.as_str()) != ended);
            }
            "tag_ran" => self.ledger.learn(line),
            _ => {}
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
            .find(|one| one.operation == operation.0)
    }
}
