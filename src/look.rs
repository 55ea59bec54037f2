//! A look of an operation's own, and whether the view may still show it.

use tokio::time::Instant;

use crate::engine::{ContainerEvent, EventAction, Observed};

/// A look of an operation's own.
pub struct Look {
    /// When the engine was asked.
    pub began: Instant,
    /// What it showed.
    pub shown: Option<Observed>,
}

/// What came last: a look that began before may be out of date.
#[derive(Default)]
pub(crate) struct Lately {
    /// An event, or a look of the watcher's own.
    changed: Option<Instant>,
    /// The start of this container.
    started: Option<(Instant, String)>,
}

impl Lately {
    /// An event has come.
    pub(crate) fn take(&mut self, event: &ContainerEvent) {
        let now = Instant::now();
        match event.action {
            EventAction::Started => self.started = Some((now, event.container.clone())),
            _ => self.changed = Some(now),
        }
    }

    /// The watcher has looked itself.
    pub(crate) fn looked(&mut self, began: Instant) {
        self.changed = Some(began);
    }

    /// Whether the look still holds. The start of a container that it shows running is what it shows: had the container
    /// been started once more, it would have ended before, and that event counts.
    pub(crate) fn allows(&self, look: &Look) -> bool {
        let shows = |id: &str| {
            let shown = look.shown.as_ref();
            shown.is_some_and(|shown| shown.is_up() && shown.id.as_str() == id)
        };
        let started_after = self
            .started
            .as_ref()
            .is_some_and(|(at, id)| *at >= look.began && !shows(id));
        !started_after && self.changed.is_none_or(|at| at < look.began)
    }
}
