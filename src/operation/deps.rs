//! What every operation works with.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use super::ledger_guard::LedgerGuard;
use super::request::Request;
use crate::audit::{Fingerprinter, Trail};
use crate::domain::{Environment, HostPaths};
use crate::engine::Engine;
use crate::runtime::{Activity, WatcherHandle};
use crate::settings::{OperationSettings, RuntimeSettings};

/// What every operation works with. There is one, made at the start.
pub struct OperationDeps {
    /// This agent's environment.
    pub environment: Environment,
    /// The engine.
    pub engine: Engine,
    /// What the container is made of.
    pub runtime: RuntimeSettings,
    /// Budget, grace, confirmation, immutability of tags.
    pub limits: OperationSettings,
    /// What the binds must be apart from.
    pub host_paths: HostPaths,
    /// Directory of Docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// The audit trail.
    pub trail: Trail,
    /// Whether the ledger of tags can be believed.
    pub ledger: LedgerGuard,
    /// Keyed fingerprints of what must not be written down.
    pub fingerprinter: Fingerprinter,
    /// Keyed fingerprint of the agent's own settings.
    pub settings_fingerprint: String,
    /// The task that keeps the view.
    pub watcher: WatcherHandle,
    /// What is being done.
    pub activity: watch::Sender<Activity>,
}

impl OperationDeps {
    /// The shortest time an operation must be left with to be started at all.
    pub(super) fn least_time(&self, request: &Request) -> Duration {
        match request {
            Request::Deploy { .. } => self.limits.reserve_after_pull(),
            Request::Stop => self.limits.reserve_for_stop(),
        }
    }
}
