//! The life of a container's process: starting, dying, restarting, health.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::coming_up::{ComingUp, WARM_UP};
use super::container::{Behaviour, Container, Health};
use super::host::{Host, World};

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// A run this long makes the engine start over with the shortest pause.
const STEADY_RUN: Duration = Duration::from_secs(10);
/// How long a process takes to come up or to die.
const PROCESS_LATENCY: Duration = Duration::from_millis(3);
const FIRST_PID: u64 = 4000;

impl Host {
    /// Brings the process up. The caller has made sure that there is one.
    pub fn begin_run(self: &Arc<Self>, world: &mut World, id: &str) {
        let Some(c) = world.get(id) else { return };
        c.run += 1;
        c.exit_on_next = false;
        c.state.running = true;
        c.state.paused = false;
        c.state.restarting = false;
        c.state.oom_killed = false;
        c.state.exit_code = 0;
        c.state.error.clear();
        c.state.pid = FIRST_PID + c.run;
        c.state.started_at = Some(OffsetDateTime::now_utc());
        c.state.health = c.check.as_ref().map(|_| Health {
            status: "starting",
            failing_streak: 0,
        });
        self.events.tell(c, "start", &[]);
        let (id, run) = (c.id.clone(), c.run);
        if let Behaviour::Exits { after, code } = c.behaviour {
            self.exit_later(&id, run, after + PROCESS_LATENCY, code);
        }
        if c.behaviour == Behaviour::Sniffs && c.may_open_raw_sockets() {
            self.exit_later(&id, run, PROCESS_LATENCY, 3);
        }
        if let Behaviour::ComesUp { stays } = c.behaviour {
            self.come_up(&id, run, ComingUp::of(c), stays);
        }
        if c.check.is_some() {
            self.runtime.spawn(self.clone().check_health(id, run));
        }
    }

    /// Sends a signal as `docker kill` and `docker stop` do, with all they imply.
    pub fn signal(self: &Arc<Self>, world: &mut World, id: &str, signal: i32) {
        let Some(c) = world.get(id) else { return };
        c.manually_stopped = true;
        c.exit_on_next = true;
        if c.state.restarting {
            c.run += 1;
            c.state.restarting = false;
            c.state.running = false;
            return;
        }
        self.events
            .tell(c, "kill", &[("signal", signal.to_string())]);
        let (run, code) = (c.run, c.behaviour.on_signal(signal, c.has_init()));
        if c.state.paused {
            c.state.paused = false;
            self.events.tell(c, "unpause", &[]);
        }
        if let Some(code) = code {
            let id = c.id.clone();
            self.exit_later(&id, run, PROCESS_LATENCY, code);
        }
    }

    fn come_up(self: &Arc<Self>, id: &str, run: u64, coming_up: ComingUp, stays: bool) {
        let (host, id) = (self.clone(), id.to_owned());
        self.runtime.spawn(async move {
            tokio::time::sleep(WARM_UP).await;
            let looked = tokio::task::spawn_blocking(move || coming_up.succeeds()).await;
            match looked.unwrap_or(false) {
                true if stays => {}
                true => host.exit_later(&id, run, PROCESS_LATENCY, 0),
                false => host.exit_later(&id, run, PROCESS_LATENCY, 1),
            }
        });
    }

    fn exit_later(self: &Arc<Self>, id: &str, run: u64, after: Duration, code: i64) {
        let (host, id) = (self.clone(), id.to_owned());
        self.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            // A paused process makes no progress towards its end.
            host.wait_until(|world| {
                let container = world.containers.get(&id);
                container.is_none_or(|c| !c.state.paused || c.run != run)
            })
            .await;
            host.change(|world| host.process_ended(world, &id, run, code, false));
        });
    }

    /// The process is gone: the state, the event, and what the restart policy says.
    pub fn process_ended(
        self: &Arc<Self>,
        world: &mut World,
        id: &str,
        run: u64,
        code: i64,
        oom: bool,
    ) {
        let engine_up = world.engine_up;
        let Some(c) = world.get(id) else { return };
        if c.run != run || !c.state.has_process() {
            return;
        }
        let stopped = world.release.tells_stops_first() && world.stopping.remove(id);
        let Some(c) = world.get(id) else { return };
        let now = OffsetDateTime::now_utc();
        c.state.exit_code = code;
        c.state.oom_killed = oom;
        c.state.pid = 0;
        c.state.paused = false;
        c.state.finished_at = Some(now);
        if let Some(health) = &mut c.state.health {
            health.status = "unhealthy";
        }
        let restart = engine_up && wants_restart(c, code);
        c.state.restarting = restart;
        c.state.running = restart;
        if !engine_up {
            return;
        }
        if oom {
            self.events.tell(c, "oom", &[]);
        }
        if stopped {
            self.events.tell(c, "stop", &[]);
        }
        self.events
            .tell(c, "die", &[("exitCode", code.to_string())]);
        if restart {
            c.restart_count += 1;
            c.backoff = next_backoff(c, now);
            self.restart_later(c.id.clone(), run, c.backoff);
        }
    }

    fn restart_later(self: &Arc<Self>, id: String, run: u64, pause: Duration) {
        let host = self.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(pause).await;
            host.change(|world| {
                let engine_up = world.engine_up;
                let still = world.get(&id);
                let still = still.is_some_and(|c| c.run == run && c.state.restarting);
                if still && engine_up {
                    host.begin_run(world, &id);
                }
            });
        });
    }

    async fn check_health(self: Arc<Self>, id: String, run: u64) {
        loop {
            let interval = {
                let world = self.world();
                let container = world.containers.get(&id).filter(|c| c.run == run);
                container.and_then(|c| c.check.as_ref().map(|check| check.interval))
            };
            let Some(interval) = interval else { return };
            tokio::time::sleep(interval).await;
            let alive = self.change(|world| {
                let container = world.get(&id);
                let Some(c) = container.filter(|c| c.run == run && c.state.has_process()) else {
                    return false;
                };
                self.probe(c);
                true
            });
            if !alive {
                return;
            }
        }
    }

    fn probe(&self, c: &mut Container) {
        let (Some(check), Some(health)) = (c.check.clone(), &mut c.state.health) else {
            return;
        };
        let before = health.status;
        if check.passes {
            health.failing_streak = 0;
            health.status = "healthy";
        } else {
            health.failing_streak += 1;
            if health.failing_streak >= check.retries {
                health.status = "unhealthy";
            }
        }
        let (after, command) = (health.status, &check.command);
        self.events.tell(c, &format!("exec_create: {command}"), &[]);
        self.events.tell(c, &format!("exec_start: {command}"), &[]);
        let code = if check.passes { "0" } else { "1" };
        self.events
            .tell(c, "exec_die", &[("exitCode", code.to_owned())]);
        if after != before {
            self.events.tell(c, &format!("health_status: {after}"), &[]);
        }
    }
}

fn wants_restart(c: &Container, code: i64) -> bool {
    if c.exit_on_next {
        return false;
    }
    match c.policy.name.as_str() {
        "always" => true,
        "unless-stopped" => !c.manually_stopped,
        "on-failure" => code != 0 && (c.policy.most == 0 || c.restart_count < c.policy.most),
        _ => false,
    }
}

fn next_backoff(c: &Container, now: OffsetDateTime) -> Duration {
    let ran = c.state.started_at.map(|started| now - started);
    if c.backoff.is_zero() || ran.is_some_and(|ran| ran >= STEADY_RUN) {
        return FIRST_BACKOFF;
    }
    (c.backoff * 2).min(LONGEST_BACKOFF)
}
