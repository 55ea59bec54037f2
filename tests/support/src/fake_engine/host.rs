//! The simulated host: its containers, images and volumes behind one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::container::Container;
use super::events::EventBus;
use super::images::ImageStore;
use super::message::Answer;
use super::refusals::{EngineHost, Network};
use super::release::Release;
use super::sightings::Sightings;

/// A real engine waits 5 s, then 10 s, between the attempts at a layer; tests cannot.
const LAYER_RETRY_PAUSE: Duration = Duration::from_millis(50);

/// What an engine knows and does.
#[derive(Debug)]
pub(crate) struct Host {
    world: Mutex<World>,
    /// Ticks at every change, for whoever waits for one.
    pub changed: watch::Sender<u64>,
    pub events: EventBus,
    pub runtime: Handle,
}

/// Everything that is, at one moment.
#[derive(Debug)]
pub(crate) struct World {
    pub containers: BTreeMap<String, Container>,
    pub images: ImageStore,
    pub volumes: BTreeSet<String>,
    pub sightings: Sightings,
    pub engine_up: bool,
    pub slow_removal: Duration,
    pub failing_removals: BTreeSet<String>,
    pub layer_retry_pause: Duration,
    /// Names whose containers are listed and denied to whoever asks for them.
    pub denied: BTreeSet<String>,
    /// The address that stands in for Docker Hub.
    pub hub: Option<String>,
    /// Lines that every pull says before its own, each with the silence after it.
    pub pull_script: Vec<(Value, Duration)>,
    /// Of containers that name none.
    pub log_driver: String,
    pub release: Release,
    /// Containers that somebody is stopping.
    pub stopping: BTreeSet<String>,
    /// What it calls itself.
    pub named_engine: String,
    pub host_of_engine: EngineHost,
    pub networks: BTreeMap<String, Network>,
}

impl Host {
    pub fn new(runtime: Handle) -> Arc<Host> {
        let world = World {
            containers: BTreeMap::new(),
            images: ImageStore::default(),
            volumes: BTreeSet::new(),
            sightings: Sightings::default(),
            engine_up: true,
            slow_removal: Duration::ZERO,
            failing_removals: BTreeSet::new(),
            layer_retry_pause: LAYER_RETRY_PAUSE,
            denied: BTreeSet::new(),
            hub: None,
            pull_script: Vec::new(),
            log_driver: "json-file".to_owned(),
            release: Release::default(),
            stopping: BTreeSet::new(),
            named_engine: "Engine".to_owned(),
            host_of_engine: EngineHost::default(),
            networks: BTreeMap::new(),
        };
        Arc::new(Host {
            world: Mutex::new(world),
            changed: watch::Sender::new(0),
            events: EventBus::default(),
            runtime,
        })
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every change of the world goes through here: waiters wake, witnesses look.
    pub fn change<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let done = act(&mut world);
        let World {
            containers,
            sightings,
            ..
        } = &mut *world;
        sightings.look(containers.values());
        drop(world);
        self.changed.send_modify(|tick| *tick += 1);
        done
    }

    /// Returns once the condition holds.
    pub async fn wait_until(&self, mut holds: impl FnMut(&World) -> bool) {
        let mut changes = self.changed.subscribe();
        loop {
            changes.mark_unchanged();
            if holds(&self.world()) || changes.changed().await.is_err() {
                return;
            }
        }
    }
}

impl World {
    /// Docker's lookup: full id, then name, then an unambiguous prefix of an id.
    pub fn find(&self, key: &str) -> Result<&Container, Answer> {
        let admitted = |container: &&Container| !self.denied.contains(&container.name);
        let by_id = self.containers.get(key);
        let named = || self.named(key.strip_prefix('/').unwrap_or(key));
        if let Some(container) = by_id.or_else(named).filter(admitted) {
            return Ok(container);
        }
        let mut matching = self.containers.values().filter(admitted);
        let mut matching = matching.by_ref().filter(|c| c.id.starts_with(key));
        match (matching.next(), matching.next()) {
            (Some(only), None) if !key.is_empty() => Ok(only),
            (Some(_), Some(_)) if !key.is_empty() => {
                let text = format!("Multiple IDs found with provided prefix: {key}");
                Err(Answer::error(500, text))
            }
            _ => Err(Answer::error(404, format!("No such container: {key}"))),
        }
    }

    pub fn named(&self, name: &str) -> Option<&Container> {
        self.containers.values().find(|c| c.name == name)
    }

    pub fn get(&mut self, id: &str) -> Option<&mut Container> {
        self.containers.get_mut(id)
    }
}

/// 64 hex digits that no other container or volume of this process has.
pub(crate) fn fresh_id() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.map_or(0, |since| since.as_nanos());
    let seed = format!("{}-{nanos}-{count}", std::process::id());
    super::images::sha256_hex(seed.as_bytes())
}
