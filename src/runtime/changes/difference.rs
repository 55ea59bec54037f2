//! What an inspect shows and no event has told.

use super::change::Change;
use super::evidence::{Holder, Phase};
use super::reading::Reading;
use crate::audit::{Cause, Observation};
use crate::engine::Observed;

impl Reading<'_> {
    pub(super) fn compare(&mut self, seen: Option<&Observed>) {
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
            self.holder = Some(Holder::of(seen));
            return self.tell(Change::new(what, Cause::Unknown, id));
        };
        let known = self.evidence.known.filter(|known| known.id == seen.id);
        let change = self.difference(phase, known, seen);
        self.holder = Some(Holder::of(seen));
        if let Some(change) = change {
            self.tell(change);
        }
        if !self.updated && known.is_some_and(|known| known.settings != seen.settings) {
            self.tell(Change::new(Observation::Updated, Cause::Unknown, id));
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
            // What the events have counted is not counted again.
            (Phase::Waiting, Phase::Up) => Some(back(returned - self.brought_back())),
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

    fn brought_back(&self) -> i64 {
        let all = self.found.iter().map(|change| change.count).sum::<u64>();
        i64::try_from(all).unwrap_or(i64::MAX)
    }
}
