//! What is doubted of the ledger, as the records so far amount to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::doubt::{Doubt, DoubtKind};
use super::record::Line;

/// Containers of unknown operations that are kept apart; one more takes the place of the oldest.
const MOST_CONTAINERS: usize = 8;

/// What is doubted now, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedDoubts(Arc<Mutex<Vec<Doubt>>>);

impl SharedDoubts {
    pub(super) fn get(&self) -> Vec<Doubt> {
        self.lock().clone()
    }

    pub(super) fn set(&self, doubts: Vec<Doubt>) {
        *self.lock() = doubts;
    }

    /// Goes on by one record.
    pub(super) fn apply(&self, line: &Line<'_>) {
        let container = line.container_operation.as_ref();
        let container_operation = container.map(|text| text.as_str().to_owned());
        let kind = match line.event.as_ref() {
            "agent_started" if line.new_trail => DoubtKind::New,
            "trail_damaged" => DoubtKind::Lost,
            "ledger_doubted" => DoubtKind::Older,
            "ledger_acknowledged" => {
                let through = line.through_seq.unwrap_or(0);
                self.lock().retain(|doubt| doubt.seq > through);
                return;
            }
            "trail_continued" => {
                self.set(line.doubts.clone());
                return;
            }
            _ => return,
        };
        let mut doubts = self.lock();
        // The newest record of a kind stands for those before it.
        doubts
            .retain(|doubt| doubt.kind != kind || doubt.container_operation != container_operation);
        doubts.push(Doubt {
            kind,
            seq: line.seq,
            container_operation,
        });
        let containers = doubts.iter().filter(|doubt| doubt.kind == DoubtKind::Older);
        if containers.count() > MOST_CONTAINERS
            && let Some(oldest) = doubts
                .iter()
                .position(|doubt| doubt.kind == DoubtKind::Older)
        {
            doubts.remove(oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Doubt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
