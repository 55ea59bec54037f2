//! The checks in their order, and the one place that decides.

use std::sync::Arc;
use std::time::SystemTime;

use super::key_cache::{KeyCache, KeyRefresher};
use super::{AccessSettings, Admitted, Denied, Presented};

/// The access checks of this agent. Cheap to clone; shared by all workers.
#[derive(Debug, Clone)]
pub struct Access {
    settings: Arc<AccessSettings>,
    keys: Option<Arc<KeyCache>>,
}

impl Access {
    /// The checks that these settings ask for. Nothing is fetched yet: see [`Access::key_refresher`].
    pub fn new(settings: AccessSettings) -> Self {
        todo!("{settings:?}")
    }

    /// The task that keeps the key set fresh; `None` when no assertion is checked. Run it once, with
    /// [`super::run_key_refresher`], for as long as requests are served.
    pub fn key_refresher(&self) -> Option<KeyRefresher> {
        todo!()
    }

    /// Decides at once, with the keys at hand. Never blocks, never waits.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn check<'a>(
        &self,
        presented: &Presented<'a>,
        now: SystemTime,
    ) -> Result<Admitted<'a>, Denied> {
        todo!("{presented:?} {now:?} {:?} {:?}", self.settings, self.keys)
    }

    /// Like [`Access::check`], but an assertion with an unknown key waits, a few seconds at most, for the
    /// key set to be asked again. For every other request it does not yield.
    ///
    /// Cancel-safe: the fetch belongs to the refresher and goes on without the caller.
    ///
    /// # Errors
    /// The first check that failed.
    pub async fn admit<'a>(
        &self,
        presented: &Presented<'a>,
        now: SystemTime,
    ) -> Result<Admitted<'a>, Denied> {
        self.check(presented, now)
    }
}
