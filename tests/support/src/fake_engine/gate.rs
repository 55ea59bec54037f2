//! A door in front of or behind a call's effect that a test opens when it likes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::fault::When;
use super::verb::Verb;

/// Holds every call of one verb, or one call, until it is released or dropped.
#[derive(Debug)]
pub struct Gate(Arc<Door>);

#[derive(Debug)]
struct Door {
    holds: Holds,
    when: When,
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

#[derive(Debug)]
enum Holds {
    /// Every call of this verb.
    Each(Verb),
    /// The nth one of this verb.
    Nth {
        verb: Verb,
        nth: usize,
        seen: AtomicUsize,
    },
}

/// One call on its way past the gates.
pub(crate) struct Passage {
    verb: Verb,
    /// The doors that hold this very call.
    own: Vec<Arc<Door>>,
}

impl Gate {
    /// Returns once a call stands at the gate.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Returns once so many calls have come to the gate.
    pub async fn reached_by(&self, calls: usize) {
        let mut arrived = self.0.arrived.subscribe();
        let counted = arrived.wait_for(|seen| *seen >= calls).await;
        counted.expect("the gate holds its own sender");
    }

    /// The same for a test without a runtime; false when the time is up first.
    pub fn reached_within(&self, limit: Duration) -> bool {
        let end = std::time::Instant::now() + limit;
        while self.arrived() == 0 {
            if std::time::Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// How many calls have come to the gate so far.
    pub fn arrived(&self) -> usize {
        *self.0.arrived.borrow()
    }

    /// Lets every held and every later call pass.
    pub fn release(&self) {
        self.0.open.send_replace(true);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.release();
    }
}

/// All gates of one engine.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<Vec<Arc<Door>>>);

impl Gates {
    pub fn put(&self, verb: Verb, when: When) -> Gate {
        self.hang(Holds::Each(verb), when)
    }

    pub fn put_at(&self, verb: Verb, nth: usize, when: When) -> Gate {
        let seen = AtomicUsize::new(0);
        self.hang(Holds::Nth { verb, nth, seen }, when)
    }

    fn hang(&self, holds: Holds, when: When) -> Gate {
        let (open, arrived) = (watch::Sender::new(false), watch::Sender::new(0));
        let door = Arc::new(Door {
            holds,
            when,
            open,
            arrived,
        });
        let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        doors.retain(|door| !*door.open.borrow());
        doors.push(door.clone());
        Gate(door)
    }

    /// Counts a call that has just come.
    pub fn enter(&self, verb: Verb) -> Passage {
        let doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let meets = |door: &&Arc<Door>| match &door.holds {
            Holds::Nth {
                verb: held,
                nth,
                seen,
            } if *held == verb => seen.fetch_add(1, Ordering::Relaxed) + 1 == *nth,
            Holds::Each(_) | Holds::Nth { .. } => false,
        };
        let own = doors.iter().filter(meets).cloned().collect();
        Passage { verb, own }
    }

    pub async fn pass(&self, passage: &Passage, when: When) {
        for door in self.standing_at(passage, when) {
            door.arrived.send_modify(|seen| *seen += 1);
            let mut open = door.open.subscribe();
            let opened = open.wait_for(|open| *open).await;
            opened.expect("this very loop holds the door");
        }
    }

    fn standing_at(&self, passage: &Passage, when: When) -> Vec<Arc<Door>> {
        let doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_verb = doors
            .iter()
            .filter(|door| matches!(&door.holds, Holds::Each(verb) if *verb == passage.verb));
        let here = of_verb.chain(&passage.own).filter(|d| d.when == when);
        here.filter(|d| !*d.open.borrow()).cloned().collect()
    }
}
