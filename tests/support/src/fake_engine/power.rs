//! The engine itself goes away and comes back, with or without its containers.

use std::sync::Arc;

use time::OffsetDateTime;

use super::host::{Host, World};

/// What becomes of running containers while the engine is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileAway {
    /// They run on, as with `live-restore`.
    Kept,
    /// They end with 137, as without it; those of policy `always` come back with the engine.
    Killed,
}

impl Host {
    /// From here on nothing is told and nothing restarted.
    pub fn power_off(self: &Arc<Self>, containers: WhileAway) {
        self.change(|world| {
            world.engine_up = false;
            if containers == WhileAway::Killed {
                let running = world.containers.values().filter(|c| c.state.has_process());
                let running: Vec<_> = running.map(|c| (c.id.clone(), c.run)).collect();
                for (id, run) in running {
                    self.process_ended(world, &id, run, 137, false);
                }
            }
        });
        self.events.forget();
    }

    /// Takes stock as a starting engine does.
    pub fn power_on(self: &Arc<Self>) {
        self.change(|world| {
            world.engine_up = true;
            let ids: Vec<String> = world.containers.keys().cloned().collect();
            ids.iter().for_each(|id| self.restore(world, id));
        });
    }

    fn restore(self: &Arc<Self>, world: &mut World, id: &str) {
        let Some(c) = world.get(id) else { return };
        if c.state.removing {
            // A removal that was cut short.
            c.state.removing = false;
            c.state.dead = true;
        }
        if c.state.restarting {
            c.state.restarting = false;
            c.state.running = false;
        }
        // Tried on an engine: `always` revives even what was stopped, `unless-stopped` does not
        // come back after the engine was killed.
        let comes_back = c.policy.name == "always" && c.run > 0 && !c.state.dead;
        if comes_back && !c.state.running {
            c.manually_stopped = false;
            self.begin_run(world, id);
        }
    }

    /// The process of a container ends by no act of the engine's.
    pub fn end_process(self: &Arc<Self>, name: &str, code: i64, oom: bool) -> bool {
        self.change(|world| {
            let Some(c) = world.named(name) else {
                return false;
            };
            let (id, run, lives) = (c.id.clone(), c.run, c.state.has_process());
            self.process_ended(world, &id, run, code, oom);
            lives
        })
    }

    /// A person on the host removes a container by force, in no time.
    pub fn vanish(self: &Arc<Self>, name: &str) -> bool {
        self.change(|world| {
            let Some(c) = world.named(name) else {
                return false;
            };
            let (id, run) = (c.id.clone(), c.run);
            if let Some(c) = world.get(&id) {
                c.exit_on_next = true;
            }
            self.process_ended(world, &id, run, 137, false);
            if let Some(gone) = world.containers.remove(&id) {
                gone.anonymous_volumes.iter().for_each(|volume| {
                    world.volumes.remove(volume);
                });
                self.events.tell(&gone, "destroy", &[]);
            }
            true
        })
    }

    /// Puts a container into a state that calls alone reach slowly or not at all.
    pub fn pose(self: &Arc<Self>, id: &str, life: Life) {
        self.change(|world| {
            if life != Life::Created {
                self.begin_run(world, id);
            }
            let Some(c) = world.get(id) else { return };
            let ended = Some(OffsetDateTime::now_utc());
            match life {
                Life::Created | Life::Running => return,
                Life::Paused => {
                    c.state.paused = true;
                    self.events.tell(c, "pause", &[]);
                    return;
                }
                Life::Restarting => {
                    c.state.restarting = true;
                    c.state.exit_code = 3;
                    c.restart_count = 7;
                }
                Life::Exited(code) => c.state.exit_code = code,
                Life::Removing => c.state.removing = true,
                Life::Dead => c.state.dead = true,
            }
            // Timers of the run that never was must not touch the pose.
            c.run += 1;
            c.state.running = life == Life::Restarting;
            c.state.pid = 0;
            c.state.finished_at = ended;
        });
    }
}

/// The state of a container that a test places on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Never started.
    Created,
    /// Its process runs.
    Running,
    /// Frozen by `docker pause`.
    Paused,
    /// In a restart backoff that never ends: Running=true, Restarting=true, Pid=0.
    Restarting,
    /// Ended with this code.
    Exited(i64),
    /// A removal is in progress and does not end.
    Removing,
    /// A removal failed.
    Dead,
}
