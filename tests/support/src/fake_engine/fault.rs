//! What can go wrong with one answer, and on which call it shall.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::verb::Verb;

/// On which side of a call's effect something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The engine has not acted, and will not.
    BeforeEffect,
    /// The engine has acted; only its answer is in question.
    AfterEffect,
}

/// How an answer is spoilt.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The connection ends without a byte of an answer.
    Cut,
    /// The answer's head and half of its body, then the end. The effect is done.
    CutMidBody,
    /// Another status and body than the true ones.
    Status(u16, ErrorBody),
    /// Bytes that are no HTTP.
    Garbage,
    /// The head never comes; the connection stays open.
    Silence,
    /// The head and half of the body, then nothing more, for ever. The effect is done.
    Stall,
    /// The true answer, a few bytes at a time with this pause between. The effect is done.
    Drip(Duration),
    /// The true status with an empty JSON object (or a list of one). The effect is done.
    MissingFields,
    /// Each piece of a stream so much later, as on a busy host. The effect is done.
    Late(Duration),
    /// The true answer with each of these words replaced by its other, as an engine of another version would say it. The
    /// effect is done.
    Reworded(Vec<(String, String)>),
    /// A container's status that no client knows. The effect is done.
    UnknownStatus,
    /// Each line of a stream arrives apart from its CRLF. The effect is done.
    SplitCrlf,
    /// The true answer, and from then on nobody gets a connection until the faults are cleared. The effect is done.
    ThenRefuse,
}

/// The body of an answer with a false status.
#[derive(Clone, Debug, PartialEq)]
pub enum ErrorBody {
    /// `{"message": …}`, as Docker writes it.
    Json(String),
    /// Plain text, as proxies in front of an engine write it.
    Plain(String),
}

/// One planned misbehaviour.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The call it strikes.
    pub verb: Verb,
    /// Which of these calls, counted from 1 at injection; every one without it.
    pub nth: Option<usize>,
    /// Before or after the effect. Kinds that need the true answer always come after it.
    pub when: When,
    /// What happens.
    pub kind: Kind,
}

impl Fault {
    /// Strikes every call of `verb`, instead of its effect.
    pub fn before(verb: Verb, kind: Kind) -> Fault {
        let when = When::BeforeEffect;
        Fault {
            verb,
            nth: None,
            when,
            kind,
        }
    }

    /// Strikes every call of `verb`, once its effect is done.
    pub fn after(verb: Verb, kind: Kind) -> Fault {
        let when = When::AfterEffect;
        Fault {
            verb,
            nth: None,
            when,
            kind,
        }
    }

    /// Strikes only the nth call from now, counted from 1.
    pub fn nth(self, nth: usize) -> Fault {
        Fault {
            nth: Some(nth),
            ..self
        }
    }

    /// Whether the engine acts before this fault shows.
    pub(crate) fn has_effect(&self) -> bool {
        match self.kind {
            Kind::Cut | Kind::Status(..) | Kind::Garbage | Kind::Silence => {
                self.when == When::AfterEffect
            }
            Kind::CutMidBody
            | Kind::Stall
            | Kind::Drip(_)
            | Kind::Late(_)
            | Kind::Reworded(_)
            | Kind::MissingFields
            | Kind::UnknownStatus
            | Kind::SplitCrlf
            | Kind::ThenRefuse => true,
        }
    }
}

/// The faults in force, each with the calls it has seen.
#[derive(Debug, Default)]
pub(crate) struct FaultBook(Mutex<Vec<(Fault, usize)>>);

impl FaultBook {
    pub fn inject(&self, fault: Fault) {
        self.lock().push((fault, 0));
    }

    /// Forgets all of them, and acts before another can be planned or ask whether it is in force.
    pub fn clear_and<T>(&self, act: impl FnOnce() -> T) -> T {
        let mut faults = self.lock();
        faults.clear();
        act()
    }

    /// Acts if a fault of this kind is in force, before it can be cleared.
    pub fn if_in_force(&self, kind: &Kind, act: impl FnOnce()) {
        if self.lock().iter().any(|(fault, _)| fault.kind == *kind) {
            act();
        }
    }

    /// Counts this call for every fault of its verb; the first that is due strikes.
    pub fn due(&self, verb: Verb) -> Option<Fault> {
        let mut due = None;
        for (fault, seen) in self.lock().iter_mut().filter(|(f, _)| f.verb == verb) {
            *seen += 1;
            let strikes = fault.nth.is_none_or(|nth| nth == *seen);
            if strikes && due.is_none() {
                due = Some(fault.clone());
            }
        }
        due
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Fault, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
