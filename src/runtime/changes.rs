//! What the engine told and what an inspect shows, put into acts: each act of somebody else is one change, whatever the
//! engine tells of it. Pure: nothing here waits or asks.

use crate::audit::{Cause, Observation};
use crate::engine::{ContainerEvent, ContainerStatus, EventAction, Observed};

/// Signals that may end a process: what becomes of them the end of the process tells.
const ENDING: [&str; 5] = ["2", "3", "6", "9", "15"];

/// What became of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) what: Observation,
    pub(super) by: Cause,
    pub(super) container: String,
    pub(super) exit_code: Option<i64>,
    pub(super) oom_killed: bool,
    pub(super) signal: Option<String>,
    pub(super) other_name: Option<String>,
    /// By the engine's clock.
    pub(super) ended: Option<i64>,
    pub(super) started: Option<i64>,
    /// The restart policy is about to bring it back.
    pub(super) returns: bool,
    /// How often it was brought back.
    pub(super) count: u64,
}

impl Change {
    fn new(what: Observation, by: Cause, container: &str) -> Self {
        Self {
            what,
            by,
            container: container.to_owned(),
            exit_code: None,
            oom_killed: false,
            signal: None,
            other_name: None,
            ended: None,
            started: None,
            returns: false,
            count: u64::from(what == Observation::BroughtBack),
        }
    }

    /// A signal was sent, and the process has not ended by it.
    pub(super) fn signalled(container: &str, signal: Option<String>) -> Self {
        Self {
            signal,
            ..Self::new(Observation::Signalled, Cause::Somebody, container)
        }
    }
}

/// What became of a container that is not under our name any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Nobody asked, or the engine did not answer.
    Unknown,
    /// It is gone.
    Gone,
    /// It has this name.
    Named(String),
}

/// What a container does, in the words that acts are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Up,
    Paused,
    /// The restart policy waits.
    Waiting,
    Down,
}

impl Phase {
    fn of(observed: &Observed) -> Self {
        match observed.status {
            ContainerStatus::Running => Self::Up,
            ContainerStatus::Paused => Self::Paused,
            ContainerStatus::Restarting => Self::Waiting,
            ContainerStatus::Created
            | ContainerStatus::Exited
            | ContainerStatus::Removing
            | ContainerStatus::Dead => Self::Down,
        }
    }
}

/// The container under our name, as far as the events so far tell.
struct Holder {
    id: String,
    phase: Phase,
}

/// Everything that is known when a pause in the events is taken for the end of an act.
pub(super) struct Evidence<'a> {
    /// Our name.
    pub(super) ours: &'a str,
    /// What was known before the events.
    pub(super) known: Option<&'a Observed>,
    /// Whether a container has had the name before, in this life of the agent.
    pub(super) had: bool,
    /// In the order in which they came.
    pub(super) events: &'a [ContainerEvent],
    /// What an inspect shows after them; `None` for the outer one when none was made.
    pub(super) seen: Option<Option<&'a Observed>>,
    /// Of the container that is known, if something else or nothing is seen.
    pub(super) whereabouts: Whereabouts,
}

/// The changes, and how many of the last events wait for what follows them: a signal whose process has not ended.
pub(super) fn changes(evidence: &Evidence<'_>) -> (Vec<Change>, usize) {
    let mut reading = Reading {
        evidence,
        taken: vec![false; evidence.events.len()],
        holder: evidence.known.map(|known| Holder {
            id: known.id.as_str().to_owned(),
            phase: Phase::of(known),
        }),
        signal: None,
        stopped: false,
        oom_killed: false,
        lifecycle: false,
        updated: false,
        found: Vec::new(),
    };
    for at in 0..evidence.events.len() {
        if !reading.taken[at] {
            reading.take(at);
        }
    }
    let waiting = reading.signal.as_ref().map(|(at, _)| *at);
    if let Some(seen) = evidence.seen {
        reading.compare(seen);
    }
    let held = waiting.map_or(0, |at| evidence.events.len() - at);
    (reading.found, held)
}

struct Reading<'a> {
    evidence: &'a Evidence<'a>,
    taken: Vec<bool>,
    holder: Option<Holder>,
    /// A signal whose process has not ended, and where it was told.
    signal: Option<(usize, Option<String>)>,
    /// A stop was told whose end is still to come: engines from 26 on tell the two in either order.
    stopped: bool,
    oom_killed: bool,
    /// Whether an event told of an end or a start.
    lifecycle: bool,
    updated: bool,
    found: Vec<Change>,
}

impl Reading<'_> {
    fn phase_of(&self, id: &str) -> Option<Phase> {
        let holder = self.holder.as_ref().filter(|holder| holder.id == id);
        holder.map(|holder| holder.phase)
    }

    fn set_phase(&mut self, phase: Phase) {
        if let Some(holder) = &mut self.holder {
            holder.phase = phase;
        }
    }

    /// Takes the next events of the same container if they are of these kinds, one behind the other.
    fn then(&mut self, at: usize, kinds: &[fn(&EventAction) -> bool]) -> bool {
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
        if fits {
            next.into_iter().for_each(|n| self.taken[n] = true);
        }
        fits
    }

    fn take(&mut self, at: usize) {
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
                    self.found.push(Change::signalled(id, signal.clone()));
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
                self.found
                    .push(Change::new(Observation::Stopped, Cause::Somebody, id));
            }
            (EventAction::Started, Some(Phase::Down | Phase::Waiting)) => self.started(at),
            (EventAction::Created, None) if event.name == self.evidence.ours => self.created(at),
            (EventAction::Started, None) if event.name == self.evidence.ours => self.started(at),
            (EventAction::Removed, Some(_)) => {
                self.signal = None;
                self.holder = None;
                self.found
                    .push(Change::new(Observation::Removed, Cause::Somebody, id));
            }
            (EventAction::Renamed { from }, _) => self.renamed(at, from),
            (EventAction::Paused, Some(_)) => {
                self.set_phase(Phase::Paused);
                self.found
                    .push(Change::new(Observation::Paused, Cause::Somebody, id));
            }
            // Part of a stop or a kill.
            (EventAction::Unpaused, Some(_)) if self.signal.is_some() => self.set_phase(Phase::Up),
            (EventAction::Unpaused, Some(_)) => {
                self.set_phase(Phase::Up);
                self.found
                    .push(Change::new(Observation::Unpaused, Cause::Somebody, id));
            }
            (EventAction::Updated, Some(_)) => {
                self.updated = true;
                self.found
                    .push(Change::new(Observation::Updated, Cause::Somebody, id));
            }
            // Told late of what is known already, or of a container that is not ours.
            _ => {}
        }
    }

    fn died(&mut self, at: usize, exit_code: Option<i64>) {
        let event = &self.evidence.events[at];
        let id = event.container.as_str();
        let signal = self.signal.take().map(|(_, signal)| signal);
        let stopped = std::mem::take(&mut self.stopped);
        let oom_killed = std::mem::take(&mut self.oom_killed);
        self.lifecycle = true;
        self.set_phase(Phase::Down);
        let mut change = Change::new(Observation::Ended, Cause::Process, id);
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
        self.found.push(change);
    }

    /// A signal of somebody came before the end: of which act it was a part, a stop that is told already says, or what
    /// follows.
    fn killed(&mut self, at: usize, signal: Option<String>, stopped: bool, change: &mut Change) {
        change.by = Cause::Somebody;
        if self.then(at, &[is_stopped, is_started, is_restarted])
            || self.then(at, &[is_started, is_restarted])
        {
            change.what = Observation::Restarted;
            self.set_phase(Phase::Up);
        } else if stopped || self.then(at, &[is_stopped]) {
            change.what = Observation::Stopped;
        } else if self.then(at, &[is_removed]) {
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
            _ if self.then(at, &[is_restarted]) => Observation::Restarted,
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
        let mut change = Change::new(what, by, id);
        change.started = event.at_nanos;
        self.holder = Some(Holder {
            id: id.to_owned(),
            phase: Phase::Up,
        });
        self.found.push(change);
    }

    fn created(&mut self, at: usize) {
        let event = &self.evidence.events[at];
        let id = event.container.as_str();
        let mut change = Change::new(Observation::Created, Cause::Somebody, id);
        let started = self.then(at, &[is_started]);
        if started {
            change.what = self.appeared();
            change.started = event.at_nanos;
            self.lifecycle = true;
        }
        self.lost(None);
        self.holder = Some(Holder {
            id: id.to_owned(),
            phase: if started { Phase::Up } else { Phase::Down },
        });
        self.found.push(change);
    }

    fn renamed(&mut self, at: usize, from: &str) {
        let event = &self.evidence.events[at];
        let (id, ours) = (event.container.as_str(), self.evidence.ours);
        let mut change = Change::new(Observation::Renamed, Cause::Somebody, id);
        if event.name == ours {
            change.other_name = Some(from.to_owned());
            let phase = match self.evidence.seen.flatten().filter(|s| s.id.as_str() == id) {
                Some(seen) => Phase::of(seen),
                None => Phase::Down,
            };
            self.lifecycle = true;
            self.holder = Some(Holder {
                id: id.to_owned(),
                phase,
            });
        } else if self.phase_of(id).is_some() {
            change.other_name = Some(event.name.clone());
            self.holder = None;
        } else {
            return;
        }
        self.found.push(change);
    }

    /// What a container is called that was started under our name.
    fn appeared(&self) -> Observation {
        match self.evidence.had || self.evidence.known.is_some() {
            true => Observation::Replaced,
            false => Observation::Started,
        }
    }

    /// The holder is not there any more, and no event has told how.
    fn lost(&mut self, seen: Option<&Observed>) {
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
        self.found.push(change);
    }

    /// What an inspect shows and no event has told.
    fn compare(&mut self, seen: Option<&Observed>) {
        let Some(seen) = seen else {
            return self.lost(None);
        };
        let id = seen.id.as_str();
        let Some(phase) = self.phase_of(id) else {
            self.lost(Some(seen));
            let what = match seen.started_at {
                None => Observation::Created,
                Some(_) => self.appeared(),
            };
            self.found.push(Change::new(what, Cause::Unknown, id));
            return;
        };
        let known = self.evidence.known.filter(|known| known.id == seen.id);
        if let Some(change) = self.difference(phase, known, seen) {
            self.found.push(change);
        }
        if !self.updated && known.is_some_and(|known| known.settings != seen.settings) {
            self.found
                .push(Change::new(Observation::Updated, Cause::Unknown, id));
        }
    }

    fn difference(
        &self,
        phase: Phase,
        known: Option<&Observed>,
        seen: &Observed,
    ) -> Option<Change> {
        let id = seen.id.as_str();
        let unknown = |what| Change::new(what, Cause::Unknown, id);
        let again = known.is_some_and(|known| known.started_at != seen.started_at);
        let returned = known.map_or(0, |known| seen.restart_count - known.restart_count);
        let ended = || {
            let mut change = unknown(Observation::Ended);
            change.exit_code = Some(seen.exit_code);
            change.oom_killed = seen.oom_killed;
            change
        };
        let back = |times: i64| {
            let mut change = Change::new(Observation::BroughtBack, Cause::RestartPolicy, id);
            change.count = u64::try_from(times).unwrap_or(0).max(1);
            change.exit_code = Some(seen.exit_code);
            change
        };
        match (phase, Phase::of(seen)) {
            (Phase::Up, Phase::Up) if again && !self.lifecycle => Some(match returned > 0 {
                true => back(returned),
                false => unknown(Observation::Restarted),
            }),
            (Phase::Waiting, Phase::Up) => Some(back(returned)),
            (Phase::Down, Phase::Up) if returned > 0 && !self.lifecycle => Some(back(returned)),
            (Phase::Down, Phase::Up) => Some(unknown(Observation::Started)),
            (Phase::Paused, Phase::Up) if again => Some(unknown(Observation::Restarted)),
            (Phase::Paused, Phase::Up) => Some(unknown(Observation::Unpaused)),
            (Phase::Up, Phase::Paused) => Some(unknown(Observation::Paused)),
            (Phase::Up | Phase::Paused, Phase::Down) => Some(ended()),
            (Phase::Waiting, Phase::Down) => Some(unknown(Observation::Stopped)),
            (Phase::Up | Phase::Paused, Phase::Waiting) => Some(Change {
                returns: true,
                by: Cause::Process,
                ..ended()
            }),
            (Phase::Waiting, Phase::Waiting) if returned > 0 && !self.lifecycle => {
                Some(back(returned))
            }
            (Phase::Down, Phase::Waiting) if again && !self.lifecycle => Some(back(returned)),
            _ => None,
        }
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
