//! The events, one after the other.

use super::change::Change;
use super::evidence::{Evidence, Holder, Phase, Whereabouts};
use crate::audit::{Cause, Observation};
use crate::engine::{ContainerEvent, EventAction, Observed};

/// Signals that may end a process: what becomes of them the end of the process tells.
const ENDING: [&str; 5] = ["2", "3", "6", "9", "15"];

/// What the events amount to so far.
pub(super) struct Reading<'a> {
    pub(super) evidence: &'a Evidence<'a>,
    taken: Vec<bool>,
    pub(super) holder: Option<Holder>,
    /// A signal whose process has not ended, and where it was told.
    signal: Option<(usize, Option<String>)>,
    /// A stop was told whose end is still to come: engines from 26 on tell the two in either order.
    stopped: bool,
    oom_killed: bool,
    /// Whether an event told of an end or a start.
    pub(super) lifecycle: bool,
    pub(super) updated: bool,
    pub(super) found: Vec<Change>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(evidence: &'a Evidence<'a>) -> Self {
        Self {
            evidence,
            taken: vec![false; evidence.events.len()],
            holder: evidence.known.map(Holder::of),
            signal: None,
            stopped: false,
            oom_killed: false,
            lifecycle: false,
            updated: false,
            found: Vec::new(),
        }
    }

    /// What was found, and the events that wait for what follows them.
    pub(super) fn conclude(mut self) -> (Vec<Change>, Vec<ContainerEvent>) {
        let Some((at, signal)) = self.signal.take() else {
            return (self.found, Vec::new());
        };
        let events = &self.evidence.events[at..];
        if self.evidence.cut {
            self.signalled(at, signal);
            return (self.found, Vec::new());
        }
        let waits = |event: &&ContainerEvent| {
            matches!(
                event.action,
                EventAction::Stopped | EventAction::OutOfMemory
            )
        };
        let behind = events[1..].iter().filter(waits);
        (
            self.found,
            events[..1].iter().chain(behind).cloned().collect(),
        )
    }

    pub(super) fn phase_of(&self, id: &str) -> Option<Phase> {
        let holder = self.holder.as_ref().filter(|holder| holder.id == id);
        holder.map(|holder| holder.phase)
    }

    fn set_phase(&mut self, phase: Phase) {
        if let Some(holder) = &mut self.holder {
            holder.phase = phase;
        }
    }

    /// An act that the event told of.
    fn act(&self, at: usize, what: Observation, by: Cause) -> Change {
        let event = &self.evidence.events[at];
        Change {
            acted: event.at_nanos,
            ..Change::new(what, by, &event.container)
        }
    }

    /// Takes a change in, after what it means for the holder was.
    pub(super) fn tell(&mut self, change: Change) {
        let up = self.phase_of(&change.container) == Some(Phase::Up);
        self.found.push(Change { up, ..change });
    }

    /// Of somebody, and all that there is to it.
    fn done(&mut self, at: usize, what: Observation) {
        let change = self.act(at, what, Cause::Somebody);
        self.tell(change);
    }

    /// A signal was sent, and the process has not ended by it.
    fn signalled(&mut self, at: usize, signal: Option<String>) {
        let change = self.act(at, Observation::Signalled, Cause::Somebody);
        self.tell(Change { signal, ..change });
    }

    /// Takes the next events of the same container if they are of these kinds, one behind the other.
    fn then(&mut self, at: usize, kinds: &[fn(&EventAction) -> bool]) -> Option<Vec<usize>> {
        let events = self.evidence.events;
        let same = |n: &usize| {
            let event = &events[*n];
            event.container == events[at].container
                && !matches!(
                    event.action,
                    EventAction::OutOfMemory | EventAction::HealthChanged
                )
        };
        let next: Vec<usize> = (at + 1..events.len())
            .filter(same)
            .take(kinds.len())
            .collect();
        let fits = next.len() == kinds.len()
            && next
                .iter()
                .zip(kinds)
                .all(|(n, kind)| kind(&events[*n].action));
        fits.then(|| {
            next.iter().for_each(|n| self.taken[*n] = true);
            next
        })
    }

    /// When the start among these events was.
    fn start_in(&self, events: &[usize]) -> Option<i64> {
        let all = events.iter().map(|n| &self.evidence.events[*n]);
        let mut starts = all.filter(|event| is_started(&event.action));
        starts.next()?.at_nanos
    }

    pub(super) fn take(&mut self, at: usize) {
        if self.taken[at] {
            return;
        }
        let event = &self.evidence.events[at];
        let id = event.container.as_str();
        let phase = self.phase_of(id);
        match (&event.action, phase) {
            (EventAction::OutOfMemory, Some(_)) => self.oom_killed = true,
            (
                EventAction::Signalled { signal },
                Some(Phase::Up | Phase::Paused | Phase::Waiting),
            ) => {
                if signal
                    .as_deref()
                    .is_none_or(|signal| ENDING.contains(&signal))
                {
                    self.signal = Some((at, signal.clone()));
                } else {
                    self.signalled(at, signal.clone());
                }
            }
            (EventAction::Died { exit_code }, Some(Phase::Up | Phase::Paused)) => {
                self.died(at, *exit_code);
            }
            (EventAction::Stopped, Some(Phase::Up | Phase::Paused)) => self.stopped = true,
            // A stop of a container that its policy was about to bring back.
            (EventAction::Stopped, Some(Phase::Waiting)) => {
                self.signal = None;
                self.lifecycle = true;
                self.set_phase(Phase::Down);
                self.done(at, Observation::Stopped);
            }
            (EventAction::Started, Some(Phase::Down | Phase::Waiting)) => self.started(at),
            (EventAction::Created, None) if event.name == self.evidence.ours => self.created(at),
            (EventAction::Started, None) if event.name == self.evidence.ours => self.started(at),
            (EventAction::Removed, Some(_)) => {
                self.signal = None;
                self.holder = None;
                self.done(at, Observation::Removed);
            }
            (EventAction::Renamed { from }, _) => self.renamed(at, from),
            (EventAction::Paused, Some(_)) => {
                self.set_phase(Phase::Paused);
                self.done(at, Observation::Paused);
            }
            // Part of a stop or a kill.
            (EventAction::Unpaused, Some(_)) if self.signal.is_some() => self.set_phase(Phase::Up),
            (EventAction::Unpaused, Some(_)) => {
                self.set_phase(Phase::Up);
                self.done(at, Observation::Unpaused);
            }
            (EventAction::Updated, Some(_)) => {
                self.updated = true;
                self.done(at, Observation::Updated);
            }
            // Told late of what is known already, or of a container that is not ours.
            _ => {}
        }
    }

    fn died(&mut self, at: usize, exit_code: Option<i64>) {
        let event = &self.evidence.events[at];
        let signal = self.signal.take().map(|(_, signal)| signal);
        let stopped = std::mem::take(&mut self.stopped);
        let oom_killed = std::mem::take(&mut self.oom_killed);
        self.lifecycle = true;
        self.set_phase(Phase::Down);
        let mut change = self.act(at, Observation::Ended, Cause::Process);
        change.exit_code = exit_code;
        change.oom_killed = oom_killed;
        change.ended = event.at_nanos;
        match (signal, stopped) {
            // By itself: a stop or a removal behind it is another act.
            (None, false) => {
                if oom_killed {
                    change.by = Cause::Kernel;
                }
                change.returns = self.returns(at);
                if change.returns {
                    self.set_phase(Phase::Waiting);
                }
            }
            (signal, stopped) => self.killed(at, signal.flatten(), stopped, &mut change),
        }
        self.tell(change);
    }

    /// A signal of somebody came before the end: of which act it was a part, a stop that is told already says, or what
    /// follows.
    fn killed(&mut self, at: usize, signal: Option<String>, stopped: bool, change: &mut Change) {
        change.by = Cause::Somebody;
        let restart = match self.then(at, &[is_stopped, is_started, is_restarted]) {
            None => self.then(at, &[is_started, is_restarted]),
            whole => whole,
        };
        if let Some(restart) = restart {
            change.what = Observation::Restarted;
            change.started = self.start_in(&restart);
            self.set_phase(Phase::Up);
        } else if stopped || self.then(at, &[is_stopped]).is_some() {
            change.what = Observation::Stopped;
        } else if self.then(at, &[is_removed]).is_some() {
            change.what = Observation::Removed;
            self.holder = None;
        } else {
            change.what = Observation::Killed;
            change.signal = signal;
        }
    }

    /// Whether the policy brings back what has ended by itself.
    fn returns(&self, at: usize) -> bool {
        let id = &self.evidence.events[at].container;
        let policy =
            |observed: &&Observed| observed.id.as_str() == *id && observed.returns_by_itself;
        let of = |observed: Option<&Observed>| observed.filter(|o| policy(o)).is_some();
        let later = self.evidence.events[at + 1..].iter().any(|event| {
            let answered = is_started(&event.action) || is_stopped(&event.action);
            event.container == *id && answered
        });
        match self.evidence.seen {
            Some(seen) => {
                let down = seen.is_some_and(|seen| Phase::of(seen) == Phase::Down);
                (of(seen) || of(self.evidence.known)) && (later || !down)
            }
            None => of(self.evidence.known),
        }
    }

    fn started(&mut self, at: usize) {
        let event = &self.evidence.events[at];
        let id = event.container.as_str();
        let before = self.phase_of(id);
        self.lifecycle = true;
        let what = match before {
            _ if self.then(at, &[is_restarted]).is_some() => Observation::Restarted,
            Some(Phase::Waiting) => Observation::BroughtBack,
            Some(_) => Observation::Started,
            None => self.appeared(),
        };
        let by = match what {
            Observation::BroughtBack => Cause::RestartPolicy,
            _ => Cause::Somebody,
        };
        if before.is_none() {
            self.lost(None);
        }
        self.holder = Some(Holder {
            id: id.to_owned(),
            phase: Phase::Up,
        });
        let change = self.act(at, what, by);
        self.tell(Change {
            started: event.at_nanos,
            ..change
        });
    }

    fn created(&mut self, at: usize) {
        let mut change = self.act(at, Observation::Created, Cause::Somebody);
        let started = self.then(at, &[is_started]);
        if let Some(started) = &started {
            change.what = self.appeared();
            change.started = self.start_in(started);
            self.lifecycle = true;
        }
        self.lost(None);
        self.holder = Some(Holder {
            id: change.container.clone(),
            phase: match started {
                Some(_) => Phase::Up,
                None => Phase::Down,
            },
        });
        self.tell(change);
    }

    fn renamed(&mut self, at: usize, from: &str) {
        let event = &self.evidence.events[at];
        let (id, ours) = (event.container.as_str(), self.evidence.ours);
        let mut change = self.act(at, Observation::Renamed, Cause::Somebody);
        if event.name == ours {
            change.other_name = Some(from.to_owned());
            self.lifecycle = true;
            self.holder = Some(Holder {
                id: id.to_owned(),
                phase: self.phase_at(at),
            });
        } else if self.phase_of(id).is_some() {
            change.other_name = Some(event.name.clone());
            self.holder = None;
        } else {
            return;
        }
        self.tell(change);
    }

    /// What a container did that takes our name with this event: what comes first behind it tells, then what is seen
    /// after all of them, and then what came last before it.
    fn phase_at(&self, at: usize) -> Phase {
        let events = self.evidence.events;
        let id = events[at].container.as_str();
        let of_it = |event: &&ContainerEvent| event.container == id;
        let is_it = |one: &&Observed| one.id.as_str() == id;
        let behind = events[at + 1..]
            .iter()
            .filter(of_it)
            .find_map(|event| match event.action {
                EventAction::Died { .. } | EventAction::Paused => Some(Phase::Up),
                EventAction::Unpaused => Some(Phase::Paused),
                EventAction::Started | EventAction::Removed => Some(Phase::Down),
                _ => None,
            });
        let before = || {
            let mut before = events[..at].iter().rev().filter(of_it);
            before.find_map(|event| match event.action {
                EventAction::Started | EventAction::Unpaused => Some(Phase::Up),
                EventAction::Paused => Some(Phase::Paused),
                EventAction::Died { .. } => Some(Phase::Down),
                _ => None,
            })
        };
        let seen = || self.evidence.seen.flatten().filter(is_it).map(Phase::of);
        let known = || self.evidence.known.filter(is_it).map(Phase::of);
        let found = behind.or_else(seen).or_else(before).or_else(known);
        found.unwrap_or(Phase::Down)
    }

    /// What a container is called that was started under our name.
    pub(super) fn appeared(&self) -> Observation {
        match self.evidence.had || self.evidence.known.is_some() {
            true => Observation::Replaced,
            false => Observation::Started,
        }
    }

    /// The holder is not there any more, and no event has told how.
    pub(super) fn lost(&mut self, seen: Option<&Observed>) {
        let Some(holder) = self.holder.take() else {
            return;
        };
        if seen.is_some_and(|seen| seen.id.as_str() == holder.id) {
            return;
        }
        let what = match &self.evidence.whereabouts {
            Whereabouts::Named(_) => Observation::Renamed,
            Whereabouts::Gone | Whereabouts::Unknown => Observation::Removed,
        };
        let mut change = Change::new(what, Cause::Unknown, &holder.id);
        if let Whereabouts::Named(name) = &self.evidence.whereabouts {
            change.other_name = Some(name.clone());
        }
        self.tell(change);
    }
}

fn is_started(action: &EventAction) -> bool {
    *action == EventAction::Started
}

fn is_stopped(action: &EventAction) -> bool {
    *action == EventAction::Stopped
}

fn is_restarted(action: &EventAction) -> bool {
    *action == EventAction::Restarted
}

fn is_removed(action: &EventAction) -> bool {
    *action == EventAction::Removed
}
