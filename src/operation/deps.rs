//! What every operation works with.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::ledger_guard::LedgerGuard;
use super::request::Request;
use crate::audit::{Fingerprints, Trail};
use crate::domain::{Environment, HostPaths};
use crate::engine::Engine;
use crate::freeze::FreezeFile;
use crate::runtime::{Activity, WatcherHandle};
use crate::settings::{OperationSettings, ProxySettings, RuntimeSettings};
use crate::signature::SignatureSettings;

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
    /// Whether images must be signed, and by which keys.
    pub signatures: SignatureSettings,
    /// How the registry is reached when it is asked for them.
    pub proxy: ProxySettings,
    /// What the binds must be apart from.
    pub host_paths: HostPaths,
    /// Directory of Docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// The audit trail.
    pub trail: Trail,
    /// Whether the ledger of tags can be believed.
    pub ledger: LedgerGuard,
    /// Keyed fingerprints of what must not be written down.
    pub fingerprints: Fingerprints,
    /// The agent's own settings, of which only the fingerprint is written down.
    pub settings: String,
    /// The task that keeps the view.
    pub watcher: WatcherHandle,
    /// What is being done in the actor's order.
    pub activity: watch::Sender<Activity>,
    /// The pull that runs beside it.
    pub pulling: watch::Sender<Activity>,
    /// Who may fetch or remove images apart from a deploy: one at a time, so that no prune takes what is just fetched.
    pub images: Arc<Semaphore>,
    /// The places of the runtime's operations, the running one among them.
    pub admission: Admission,
    /// Whether deploys are held.
    pub freeze: FreezeFile,
}

/// The places for operations on the runtime. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admission {
    places: Arc<Semaphore>,
    size: usize,
    running: Arc<AtomicUsize>,
}

/// An operation on the runtime that runs, for as long as this lives.
#[derive(Debug)]
pub(super) struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Admission {
    /// One place for the running operation, and `queue_capacity` for those that wait.
    #[must_use]
    pub fn new(queue_capacity: usize) -> Self {
        let size = queue_capacity + 1;
        let places = Arc::new(Semaphore::new(size));
        Self {
            places,
            size,
            running: Arc::default(),
        }
    }

    /// Takes a place, unless all are taken.
    #[must_use]
    pub fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// One of those that were admitted runs from now on.
    pub(super) fn run(&self) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(Arc::clone(&self.running))
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.taken()
            .saturating_sub(self.running.load(Ordering::Acquire))
    }

    /// How many places are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.size.saturating_sub(self.places.available_permits())
    }
}

impl OperationDeps {
    /// Keyed fingerprint of the agent's own settings; none while there is no room for the key.
    pub(super) fn settings_fingerprint(&self) -> Option<String> {
        let fingerprinter = self.fingerprints.get().ok()?;
        let settings = fingerprinter.of([("settings", self.settings.as_str())]);
        Some(settings.fingerprint)
    }

    /// The shortest time an operation must be left with to be started at all.
    pub(super) fn least_time(&self, request: &Request) -> Duration {
        match request {
            Request::Deploy { .. } => self.limits.reserve_after_pull(),
            Request::Stop => self.limits.reserve_for_stop(),
            // None of them leaves the runtime half-way: what is not done in time is not done.
            Request::Pull { .. } | Request::Prune { .. } | Request::Freeze(_) | Request::Thaw => {
                Duration::ZERO
            }
        }
    }
}
