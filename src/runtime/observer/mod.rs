//! What happened to the container between operations, as records: each act of somebody else is one, each loop of the
//! restart policy is one, and the agent's own acts are none. Events are hints; the inspects of the watcher find what they
//! did not tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::changes::{Change, Evidence, Whereabouts, changes};
use super::restarts::RestartLoop;
use crate::audit::{Cause, Observation, RuntimeObserved, timestamp};
use crate::engine::{ContainerEvent, ContainerId, ContainerStatus, EventAction, Observed};

#[cfg(test)]
mod tests;

/// The events of one act come within this of each other: a restart's stop and start, a forced removal's end and removal.
const PAUSE: Duration = Duration::from_secs(2);
/// Behind an end by somebody's signal, and behind a stop: the start that makes a restart of it comes late on a busy host.
const RESTART_PAUSE: Duration = Duration::from_secs(8);
/// A flow of events without such a pause is put into acts all the same. Long enough for a person who tries things.
const LONGEST_FLOW: Duration = Duration::from_secs(120);
/// A signal that has not ended the process by then has not ended it: a stop waits this long at most, as a rule.
const GRACE: Duration = Duration::from_secs(90);

/// What is known of the container.
#[derive(Debug)]
enum Known {
    /// Nothing yet: the next inspect tells what is there.
    Nothing,
    /// What was seen last.
    Seen(Option<Box<Observed>>),
}

/// Follows one name.
pub(super) struct Observer {
    ours: String,
    known: Known,
    /// A container has had the name in this life of the agent.
    had: bool,
    events: Vec<ContainerEvent>,
    /// When the first and the last sign of a change came that is not put into acts yet.
    flow: Option<(Instant, Instant)>,
    /// An inspect was ahead of the events of this flow once, and they were given time.
    waited: bool,
    /// Until when a signal may still end its process.
    grace: Option<Instant>,
    restarts: Option<RestartLoop>,
    /// An operation acts on the container: nothing of that is an observation.
    own: Arc<AtomicBool>,
}

impl Observer {
    pub(super) fn new(ours: String, own: Arc<AtomicBool>) -> Self {
        Self {
            ours,
            known: Known::Nothing,
            had: false,
            events: Vec::new(),
            flow: None,
            waited: false,
            grace: None,
            restarts: None,
            own,
        }
    }

    /// Whether an event is about our name, or about the container that had it.
    pub(super) fn concerns(&self, event: &ContainerEvent) -> bool {
        let from = match &event.action {
            EventAction::Renamed { from } => from.as_str(),
            _ => "",
        };
        event.name == self.ours
            || from == self.ours
            || self
                .container()
                .is_some_and(|known| known.id.as_str() == event.container)
    }

    /// Takes in an event that concerns us.
    pub(super) fn take(&mut self, event: &ContainerEvent, now: Instant) {
        if self.is_own() || event.action == EventAction::HealthChanged {
            return;
        }
        self.events.push(event.clone());
        self.sign(now);
    }

    /// Takes in what an inspect shows.
    pub(super) fn see(
        &mut self,
        observed: Option<&Observed>,
        now: Instant,
    ) -> Vec<RuntimeObserved> {
        if self.is_own() {
            return Vec::new();
        }
        self.had |= observed.is_some();
        match &self.known {
            Known::Nothing => {
                self.known = Known::Seen(observed.cloned().map(Box::new));
                vec![first(observed)]
            }
            Known::Seen(known) => {
                // The event may be on its way.
                if self.flow.is_none() && differ(known.as_deref(), observed) {
                    self.sign(now);
                }
                Vec::new()
            }
        }
    }

    /// When the next inspect is to be made and handed to [`Observer::conclude`].
    pub(super) fn due(&self) -> Option<Instant> {
        if self.is_own() {
            return None;
        }
        let flow = self
            .flow
            .map(|(first, last)| (last + self.pause()).min(first + LONGEST_FLOW));
        let restarts = self.restarts.as_ref().map(RestartLoop::due);
        [flow, self.grace, restarts].into_iter().flatten().min()
    }

    /// The container that is known and not seen any more: where it is, is to be asked.
    pub(super) fn missed(&self, observed: Option<&Observed>) -> Option<&ContainerId> {
        let known = self.container()?;
        observed
            .is_none_or(|seen| seen.id != known.id)
            .then_some(&known.id)
    }

    /// Puts what was told and what is seen now into acts.
    pub(super) fn conclude(
        &mut self,
        observed: Option<&Observed>,
        whereabouts: Whereabouts,
        now: Instant,
    ) -> Vec<RuntimeObserved> {
        if self.is_own() {
            return Vec::new();
        }
        let removing = observed.is_some_and(|seen| seen.status == ContainerStatus::Removing);
        let young = self
            .flow
            .is_some_and(|(first, _)| now < first + LONGEST_FLOW);
        if young && (removing || self.is_ahead(observed, &whereabouts)) {
            self.flow = self.flow.map(|(first, _)| (first, now));
            self.waited |= !removing;
            return Vec::new();
        }
        let mut records = self.put(Some(observed), whereabouts, now);
        self.known = Known::Seen(observed.cloned().map(Box::new));
        self.had |= observed.is_some();
        if self
            .restarts
            .as_ref()
            .is_some_and(|restarts| restarts.due() <= now)
        {
            records.extend(self.end_restarts());
        }
        records
    }

    /// An inspect failed: the next try is as far away as an act's pause.
    pub(super) fn postpone(&mut self, now: Instant) {
        self.flow = self.flow.map(|_| (now, now));
        self.grace = self.grace.map(|_| now + PAUSE);
    }

    /// Records what is under way, because an operation acts now or the agent ends. What an inspect shows counts as long
    /// as no operation acts.
    pub(super) fn flush(
        &mut self,
        seen: Option<(Option<&Observed>, Whereabouts)>,
        now: Instant,
    ) -> Vec<RuntimeObserved> {
        let seen = seen.filter(|_| !self.is_own());
        let (observed, whereabouts) = seen.unzip();
        let whereabouts = whereabouts.unwrap_or(Whereabouts::Unknown);
        // Nothing is waited for any more.
        self.grace = Some(now);
        let mut records = self.put(observed, whereabouts, now);
        if let (Some(observed), Known::Seen(_)) = (observed, &self.known) {
            self.known = Known::Seen(observed.cloned().map(Box::new));
            self.had |= observed.is_some();
        }
        records.extend(self.end_restarts());
        (self.events, self.flow, self.grace) = (Vec::new(), None, None);
        records
    }

    /// An operation acts from now on.
    pub(super) fn rest(&self) {
        self.own.store(true, Ordering::Release);
    }

    /// An operation that has acted is over, and left this; nothing if that could not be seen.
    pub(super) fn rebase(&mut self, observed: Option<Option<&Observed>>) {
        (self.events, self.flow, self.grace) = (Vec::new(), None, None);
        self.known = match observed {
            Some(seen) => Known::Seen(seen.cloned().map(Box::new)),
            None => Known::Nothing,
        };
        self.had |= observed.flatten().is_some();
        self.own.store(false, Ordering::Release);
    }

    /// How long no event is to come before the last act counts as whole.
    fn pause(&self) -> Duration {
        let mut told = self
            .events
            .iter()
            .rev()
            .filter(|event| event.action != EventAction::OutOfMemory);
        let open = match told.next().map(|event| &event.action) {
            Some(EventAction::Stopped) => true,
            Some(EventAction::Died { .. }) => told.next().is_some_and(|before| {
                matches!(
                    before.action,
                    EventAction::Signalled { .. } | EventAction::Stopped
                )
            }),
            _ => false,
        };
        if open { RESTART_PAUSE } else { PAUSE }
    }

    /// Whether an inspect shows what no event has told, and events may still be on their way.
    fn is_ahead(&self, observed: Option<&Observed>, whereabouts: &Whereabouts) -> bool {
        if self.waited || self.events.is_empty() {
            return false;
        }
        self.lacks(observed, whereabouts)
    }

    /// Whether an inspect shows what no event has told.
    pub(super) fn lacks(&self, observed: Option<&Observed>, whereabouts: &Whereabouts) -> bool {
        let Known::Seen(known) = &self.known else {
            return false;
        };
        let (found, _) = changes(&Evidence {
            ours: &self.ours,
            known: known.as_deref(),
            had: self.had,
            events: &self.events,
            seen: Some(observed),
            whereabouts: whereabouts.clone(),
            cut: false,
        });
        found.iter().any(|change| change.by == Cause::Unknown)
    }

    fn is_own(&self) -> bool {
        self.own.load(Ordering::Acquire)
    }

    fn container(&self) -> Option<&Observed> {
        match &self.known {
            Known::Seen(known) => known.as_deref(),
            Known::Nothing => None,
        }
    }

    fn sign(&mut self, now: Instant) {
        let first = self.flow.map_or(now, |(first, _)| first);
        self.flow = Some((first, now));
    }

    fn put(
        &mut self,
        seen: Option<Option<&Observed>>,
        whereabouts: Whereabouts,
        now: Instant,
    ) -> Vec<RuntimeObserved> {
        let Known::Seen(known) = &self.known else {
            return Vec::new();
        };
        let evidence = Evidence {
            ours: &self.ours,
            known: known.as_deref(),
            had: self.had,
            events: &self.events,
            seen,
            whereabouts,
            cut: seen.is_none() || self.grace.is_some_and(|grace| grace <= now),
        };
        let (found, held) = changes(&evidence);
        let known = known.clone();
        (self.flow, self.waited) = (None, false);
        self.grace = match held.is_empty() {
            true => None,
            false => Some(self.grace.unwrap_or(now + GRACE)),
        };
        self.events = held;
        let mut records = Vec::new();
        // Of the process an inspect shows the last end and start alone.
        let newest = found.iter().rposition(|change| {
            !matches!(change.what, Observation::Signalled | Observation::Updated)
        });
        for (n, change) in found.into_iter().enumerate() {
            let its_own = |one: &&Observed| one.id.as_str() == change.container;
            let now_seen = seen.flatten().filter(its_own);
            let of = now_seen.or_else(|| known.as_deref().filter(its_own));
            let process = now_seen.filter(|_| newest == Some(n));
            let record = |change| shown(change, of, process);
            records.extend(self.record(change, record, now));
        }
        records
    }

    fn record(
        &mut self,
        change: Change,
        record: impl FnOnce(Change) -> RuntimeObserved,
        now: Instant,
    ) -> Vec<RuntimeObserved> {
        if let Some(restarts) = self
            .restarts
            .as_mut()
            .filter(|restarts| restarts.takes(&change))
        {
            restarts.add(&change, now);
            return Vec::new();
        }
        let mut records: Vec<_> = self.end_restarts().into_iter().collect();
        if RestartLoop::is_part(&change) {
            self.restarts = Some(RestartLoop::begin(change, now));
        } else {
            records.push(record(change));
        }
        records
    }

    fn end_restarts(&mut self) -> Option<RuntimeObserved> {
        let (change, up, down_ms) = self.restarts.take()?.conclude();
        let of = self
            .container()
            .filter(|known| known.id.as_str() == change.container);
        let mut record = shown(change, of, None);
        record.up = up;
        record.down_ms = down_ms;
        Some(record)
    }
}

/// What matters of two inspects.
fn differ(one: Option<&Observed>, other: Option<&Observed>) -> bool {
    let parts = |observed: &Observed| {
        (
            observed.id.clone(),
            observed.status,
            observed.started_at.clone(),
            observed.settings.clone(),
        )
    };
    one.map(parts) != other.map(parts)
}

/// What is there when the engine is seen first.
fn first(observed: Option<&Observed>) -> RuntimeObserved {
    let Some(observed) = observed else {
        return RuntimeObserved::of_nothing();
    };
    let (status, up) = (observed.status, observed.status == ContainerStatus::Running);
    let ended = status.has_ended();
    RuntimeObserved {
        observed: Observation::Present,
        up,
        status: Some(status.as_str()),
        // Of one that runs: what an agent that did not watch has missed.
        ended_at: observed.finished_at.clone().filter(|_| ended || up),
        started_at: observed.started_at.clone(),
        exit_code: ended.then_some(observed.exit_code),
        oom_killed: ended && observed.oom_killed,
        ..of_container(Some(observed))
    }
}

/// The record of a change of the container `of`. `process` shows when its process ended and was started last, if nothing
/// came after this.
fn shown(change: Change, of: Option<&Observed>, process: Option<&Observed>) -> RuntimeObserved {
    let (ends, starts) = match change.what {
        Observation::Ended | Observation::Stopped | Observation::Killed => (true, false),
        Observation::Started | Observation::Replaced | Observation::BroughtBack => (false, true),
        Observation::Restarted => (true, true),
        // The process goes on, or is not seen any more.
        _ => (false, false),
    };
    let told = |nanos: Option<i64>| nanos.and_then(rfc3339);
    let last_end = || process.filter(|_| ends)?.finished_at.clone();
    let last_start = || process.filter(|_| starts)?.started_at.clone();
    RuntimeObserved {
        observed: change.what,
        by: change.by,
        up: change.up,
        acted_at: told(change.acted),
        ended_at: told(change.ended).or_else(last_end),
        started_at: told(change.started).or_else(last_start),
        exit_code: change.exit_code,
        oom_killed: change.oom_killed,
        signal: change.signal,
        count: (change.what == Observation::BroughtBack).then_some(change.count),
        other_name: change.other_name,
        container_id: Some(change.container),
        ..of_container(of)
    }
}

fn of_container(of: Option<&Observed>) -> RuntimeObserved {
    RuntimeObserved {
        container_id: of.map(|of| of.id.as_str().to_owned()),
        image: of.map(|of| of.image.clone()),
        image_id: of.map(|of| of.image_id.as_str().to_owned()),
        container_operation: of.and_then(|of| of.operation.clone()),
        by: Cause::Unknown,
        ..RuntimeObserved::of_nothing()
    }
}

fn rfc3339(nanos: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos)).ok()?;
    Some(timestamp(at))
}
