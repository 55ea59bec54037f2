//! What the engine told and what an inspect shows, put into acts: each act of somebody else is one change, whatever the
//! engine tells of it. Pure: nothing here waits or asks.
//!
//! `change` is one of them, `evidence` what they are told by; `reading` takes the events, `difference` what an inspect
//! shows besides.

mod change;
mod difference;
mod evidence;
mod reading;

use crate::engine::ContainerEvent;
pub(super) use change::Change;
pub(super) use evidence::{Evidence, Whereabouts};
use reading::Reading;

/// The changes, and the events that wait for what follows them: a signal whose process has not ended.
pub(super) fn changes(evidence: &Evidence<'_>) -> (Vec<Change>, Vec<ContainerEvent>) {
    let mut reading = Reading::of(evidence);
    for at in 0..evidence.events.len() {
        reading.take(at);
    }
    if let Some(seen) = evidence.seen {
        reading.compare(seen);
    }
    reading.conclude()
}
