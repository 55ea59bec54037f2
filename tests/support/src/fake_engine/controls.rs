//! What a test can do to the road between a client and an engine, fake or real.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::fault::{Fault, FaultBook, Kind, When};
use super::gate::{Gate, Gates};
use super::message::Request;
use super::verb::Verb;

/// One call that reached the socket.
#[derive(Clone, Debug)]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// The kind of call.
    pub verb: Verb,
    /// Path and query as they came.
    pub path: String,
    /// When its request had been read.
    pub at: Instant,
    /// The status whose answer was written to its end.
    pub answered: Option<u16>,
}

/// Faults, gates, the freeze and the log of calls.
#[derive(Debug)]
pub struct Controls {
    pub(crate) faults: FaultBook,
    pub(crate) gates: Gates,
    calls: Mutex<CallLog>,
    frozen: watch::Sender<bool>,
    /// Whether connections shall be refused, and whether they are.
    pub(crate) refusing: watch::Sender<bool>,
    pub(crate) refused: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct CallLog {
    calls: Vec<Call>,
    /// How many were forgotten by a reset, so that tickets stay valid.
    forgotten: usize,
}

impl Controls {
    pub(crate) fn new() -> Controls {
        Controls {
            faults: FaultBook::default(),
            gates: Gates::default(),
            calls: Mutex::default(),
            frozen: watch::Sender::new(false),
            refusing: watch::Sender::new(false),
            refused: watch::Sender::new(false),
        }
    }

    /// Plans a misbehaviour.
    pub fn inject(&self, fault: Fault) {
        self.faults.inject(fault);
    }

    /// Ends every planned misbehaviour, and lets connections in again.
    ///
    /// # Panics
    /// When an open socket does not let them in within a second.
    pub fn clear_faults(&self) {
        let refusing = self.faults.clear_and(|| self.refusing.send_replace(false));
        if refusing {
            let end = Instant::now() + Duration::from_secs(1);
            while *self.refused.borrow() {
                assert!(Instant::now() < end, "the socket stays shut");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Refuses connections from now on; those that are open stay so. Returns once it is so, or the faults are cleared.
    pub(crate) async fn shut(&self) {
        // Whoever has cleared the faults has to be let in, also when the call that met one of them ends later.
        self.faults.if_in_force(&Kind::ThenRefuse, || {
            self.refusing.send_replace(true);
        });
        let (mut refusing, mut refused) = (self.refusing.subscribe(), self.refused.subscribe());
        let shut = tokio::select! {
            shut = refused.wait_for(|refused| *refused) => shut,
            cleared = refusing.wait_for(|refusing| !*refusing) => cleared,
        };
        shut.expect("these controls hold the senders");
    }

    /// Holds every call of `verb` before its effect until the gate is released.
    pub fn gate(&self, verb: Verb) -> Gate {
        self.gates.put(verb, When::BeforeEffect)
    }

    /// Holds the answer of every call of `verb`, its effect being done.
    pub fn gate_after(&self, verb: Verb) -> Gate {
        self.gates.put(verb, When::AfterEffect)
    }

    /// Holds the nth call of `verb` from now, counted from 1.
    pub fn gate_nth(&self, verb: Verb, nth: usize, when: When) -> Gate {
        self.gates.put_at(verb, nth, when)
    }

    /// From now on connections are accepted and requests read, but nothing is answered.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Ends the freeze: what was held back is done and answered now.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    /// Every call since the start or the last reset, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.log().calls.clone()
    }

    /// The calls of one kind.
    pub fn calls_of(&self, verb: Verb) -> Vec<Call> {
        let log = self.log();
        let of_verb = log.calls.iter().filter(|call| call.verb == verb);
        of_verb.cloned().collect()
    }

    /// The calls that could have changed something, which is what most tests count.
    pub fn changing_calls(&self) -> Vec<Call> {
        let log = self.log();
        let changing = log.calls.iter().filter(|c| c.verb.changes_something());
        changing.cloned().collect()
    }

    /// Forgets the calls so far.
    pub fn reset_calls(&self) {
        let mut log = self.log();
        log.forgotten += log.calls.len();
        log.calls.clear();
    }

    pub(crate) fn record(&self, request: &Request) -> usize {
        let mut log = self.log();
        log.calls.push(Call {
            method: request.method.clone(),
            verb: request.verb,
            path: request.target.clone(),
            at: Instant::now(),
            answered: None,
        });
        log.forgotten + log.calls.len() - 1
    }

    pub(crate) fn mark_answered(&self, ticket: usize, status: u16) {
        let mut log = self.log();
        let index = ticket.checked_sub(log.forgotten);
        if let Some(call) = index.and_then(|index| log.calls.get_mut(index)) {
            call.answered = Some(status);
        }
    }

    pub(crate) async fn thawed(&self) {
        let mut frozen = self.frozen.subscribe();
        let thawed = frozen.wait_for(|frozen| !*frozen).await;
        thawed.expect("these controls hold the sender");
    }

    fn log(&self) -> MutexGuard<'_, CallLog> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
