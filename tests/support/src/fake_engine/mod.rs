//! A stateful fake of the Docker Engine behind a unix socket, with faults and gates on every call.
//!
//! It is trusted only because the same scenarios pass on a real engine.

mod acts;
mod container;
mod controls;
mod create;
mod deliver;
mod dispatch;
mod events;
mod fault;
mod front;
mod gate;
mod host;
mod http;
mod images;
mod life;
mod message;
mod proxy;
mod pull;
mod remove;
mod server;
mod sightings;
mod verb;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use controls::{Call, Controls};
pub use fault::{ErrorBody, Fault, Kind, When};
pub use gate::Gate;
pub use proxy::FaultProxy;
pub use sightings::{Seen, Sighting};
pub use verb::Verb;

use front::{Ending, Front};
use host::Host;
use server::Server;

/// A fake engine; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeEngine {
    host: Arc<Host>,
    controls: Arc<Controls>,
    front: Mutex<Option<Front>>,
    path: PathBuf,
    server: Server,
}

impl FakeEngine {
    /// Listens on a unix socket.
    ///
    /// # Panics
    /// The socket cannot be made.
    pub fn start(path: &Path) -> Self {
        let server = Server::new();
        let engine = Self {
            host: Host::new(server.handle()),
            controls: Arc::new(Controls::new()),
            front: Mutex::new(None),
            path: path.to_owned(),
            server,
        };
        engine.start_listening();
        engine
    }

    /// Faults, gates, the freeze and the log of calls.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// The engine is gone: its socket's file too. Containers stay as they are.
    pub fn stop_listening(&self) {
        let front = self
            .front
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(front) = front {
            front.close(Ending::Crash);
        }
        // Gone already is as good.
        std::fs::remove_file(&self.path).ok();
    }

    /// The engine is there again.
    ///
    /// # Panics
    /// The socket cannot be made.
    pub fn start_listening(&self) {
        let handle = self.server.handle();
        let opened = Front::open(
            &self.path,
            &handle,
            self.controls.clone(),
            self.host.clone(),
        );
        let front = opened.expect("the socket can be made");
        *self.front.lock().unwrap_or_else(PoisonError::into_inner) = Some(front);
    }

    /// Kills the engine and starts it again: every process ends, policies bring some back, events are forgotten.
    pub fn restart(&self, down: Duration) {
        self.stop_listening();
        self.host.events.forget();
        self.host.change(|world| {
            world.engine_up = false;
            let running: Vec<(String, u64)> = world
                .containers
                .values()
                .filter(|container| container.state.has_process())
                .map(|container| (container.id.clone(), container.run))
                .collect();
            for (id, run) in running {
                self.host.process_ended(world, &id, run, 137, false);
            }
        });
        std::thread::sleep(down);
        self.host.change(|world| {
            world.engine_up = true;
            let back: Vec<String> = world
                .containers
                .values()
                .filter(|container| container.policy.name == "always")
                .map(|container| container.id.clone())
                .collect();
            for id in back {
                self.host.begin_run(world, &id);
            }
        });
        self.start_listening();
    }

    /// Events are no longer sent, as an engine under pressure drops them.
    pub fn drop_events(&self, dropping: bool) {
        self.host.events.dropping.store(dropping, Ordering::SeqCst);
    }

    /// How long each removal takes.
    pub fn slow_removals(&self, pause: Duration) {
        self.host.change(|world| world.slow_removal = pause);
    }

    /// The next removal of this name fails half-way and leaves it dead.
    pub fn fail_removal(&self, name: &str) {
        self.host
            .change(|world| world.failing_removals.insert(name.to_owned()));
    }

    /// Ends a container's process, as the kernel would.
    pub fn end_process(&self, name: &str, code: i64, out_of_memory: bool) {
        self.host.change(|world| {
            let found = world
                .named(name)
                .map(|container| (container.id.clone(), container.run));
            if let Some((id, run)) = found {
                self.host
                    .process_ended(world, &id, run, code, out_of_memory);
            }
        });
    }

    /// Gives a container another id that begins with these characters.
    pub fn rename_id(&self, name: &str, prefix: &str) {
        self.host.change(|world| {
            let Some(id) = world.named(name).map(|container| container.id.clone()) else {
                return;
            };
            if let Some(mut container) = world.containers.remove(&id) {
                container.id = format!("{prefix}{}", &id[prefix.len()..]);
                world.containers.insert(container.id.clone(), container);
            }
        });
    }

    /// Every change of the set of running containers so far.
    pub fn sightings(&self) -> Vec<Sighting> {
        self.host.world().sightings.seen.clone()
    }

    /// Invariants that were broken so far, such as two containers of one name.
    pub fn violations(&self) -> Vec<String> {
        self.host.world().sightings.violations.clone()
    }

    /// How many anonymous volumes are left.
    pub fn volumes(&self) -> usize {
        self.host.world().volumes.len()
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.stop_listening();
    }
}
