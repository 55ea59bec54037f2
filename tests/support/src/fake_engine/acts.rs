//! start, stop, kill, pause, unpause, restart, wait: the acts on an existing container.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::container::{Behaviour, Container};
use super::create::check_mounts;
use super::host::{Host, World};
use super::message::{Answer, Request};
use super::refusals::{Refusing, refuse_run};

/// A refused act is an answer too.
pub(crate) type Acted = Result<Answer, Answer>;

/// What the engine grants a process that got KILL before it gives up.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_GRACE: i64 = 10;

impl Host {
    /// `POST /containers/{id}/start`
    pub fn start(self: &Arc<Self>, key: &str) -> Acted {
        self.change(|world| {
            let c = world.find(key)?;
            refuse_start(c)?;
            let id = c.id.clone();
            if let Some(c) = world.get(&id) {
                c.restart_count = 0;
                c.backoff = Duration::ZERO;
                c.manually_stopped = false;
            }
            self.run_or_refuse(world, &id)
        })
    }

    fn run_or_refuse(self: &Arc<Self>, world: &mut World, id: &str) -> Acted {
        let refusing = Refusing::of(world);
        let Some(c) = world.get(id) else {
            return Err(Answer::error(404, format!("No such container: {id}")));
        };
        if c.behaviour == Behaviour::Missing {
            c.state.exit_code = 127;
            c.state.error = not_found(&c.argv[0]);
            return Err(Answer::error(400, c.state.error.clone()));
        }
        check_mounts(&c.host_config)?;
        refuse_run(&refusing, c)?;
        for source in bind_sources(c) {
            // As the engine does; a source that cannot be made shows as an engine's 500.
            if let Err(error) = std::fs::create_dir_all(&source) {
                let text = format!("error while creating mount source path '{source}': {error}");
                return Err(Answer::error(500, text));
            }
        }
        self.begin_run(world, id);
        Ok(Answer::empty(204))
    }

    /// `POST /containers/{id}/stop`
    pub async fn stop(self: &Arc<Self>, key: &str, grace: Option<i64>) -> Acted {
        let (id, run, grace, signal) = {
            let world = self.world();
            let c = world.find(key)?;
            if !c.state.running {
                return Ok(Answer::empty(304));
            }
            (
                c.id.clone(),
                c.run,
                grace.unwrap_or_else(|| stop_timeout(c)),
                stop_signal(c),
            )
        };
        self.change(|world| {
            world.stopping.insert(id.clone());
            self.signal(world, &id, signal);
        });
        if !self.ended_within(&id, run, grace).await {
            self.change(|world| self.signal(world, &id, 9));
            self.ended_within(&id, run, -1).await;
        }
        let mut world = self.world();
        let waits = world.stopping.remove(&id);
        let told = world.release.tells_stops_first() && !waits;
        if let Some(c) = world.get(&id).filter(|_| !told) {
            self.events.tell(c, "stop", &[]);
        }
        Ok(Answer::empty(204))
    }

    /// Whether this run ended within so many seconds; a negative number is for ever.
    async fn ended_within(&self, id: &str, run: u64, seconds: i64) -> bool {
        let ended = self.wait_until(|world| {
            let container = world.containers.get(id);
            container.is_none_or(|c| c.run != run || !c.state.running)
        });
        match u64::try_from(seconds) {
            Err(_) => {
                ended.await;
                true
            }
            Ok(seconds) => {
                let limit = Duration::from_secs(seconds);
                tokio::time::timeout(limit, ended).await.is_ok()
            }
        }
    }

    /// `POST /containers/{id}/kill`
    pub async fn kill(self: &Arc<Self>, key: &str, signal: i32) -> Acted {
        let sent = self.change(|world| {
            let prefix = |text: String| format!("Cannot kill container: {key}: {text}");
            let Ok(c) = world.find(key) else {
                let text = prefix(format!("No such container: {key}"));
                return Err(Answer::error(404, text));
            };
            if !c.state.running {
                let text = prefix(format!("Container {} is not running", c.id));
                return Err(Answer::error(409, text));
            }
            let (id, run) = (c.id.clone(), c.run);
            self.signal(world, &id, signal);
            Ok((id, run))
        });
        let (id, run) = sent?;
        if signal == 9 {
            let timeout = i64::try_from(KILL_TIMEOUT.as_secs()).unwrap_or(-1);
            self.ended_within(&id, run, timeout).await;
        }
        Ok(Answer::empty(204))
    }

    /// `POST /containers/{id}/rename`, to a name that nobody has.
    pub fn rename(self: &Arc<Self>, key: &str, name: &str) -> Acted {
        self.change(|world| {
            let id = world.find(key)?.id.clone();
            if let Some(c) = world.get(&id) {
                let old = std::mem::replace(&mut c.name, name.to_owned());
                // With the slash that the engine keeps its names with.
                let old = ("oldName", format!("/{old}"));
                self.events.tell(c, "rename", &[old]);
            }
            Ok(Answer::empty(204))
        })
    }

    /// `POST /containers/{id}/update`: the restart policy.
    pub fn update(self: &Arc<Self>, key: &str, request: &Request) -> Acted {
        let asked: Value = serde_json::from_slice(&request.body)
            .map_err(|error| Answer::error(400, error.to_string()))?;
        self.change(|world| {
            let id = world.find(key)?.id.clone();
            if let Some(c) = world.get(&id) {
                let policy = &asked["RestartPolicy"];
                if !policy.is_null() {
                    c.host_config["RestartPolicy"] = policy.clone();
                }
                self.events.tell(c, "update", &[]);
            }
            Ok(Answer::json(200, &json!({ "Warnings": null })))
        })
    }

    /// `POST /containers/{id}/pause`
    pub fn pause(self: &Arc<Self>, key: &str) -> Acted {
        self.change(|world| {
            let c = world.find(key)?;
            let id = c.id.clone();
            let problem = match c.state.status() {
                "paused" => Some(format!("Container {id} is already paused")),
                "restarting" => {
                    let text = "is restarting, wait until the container is running";
                    Some(format!("Container {id} {text}"))
                }
                "running" => None,
                _ => Some(format!("Container {id} is not running")),
            };
            if let Some(problem) = problem {
                return Err(Answer::error(409, problem));
            }
            Ok(self.set_paused(world, &id, true))
        })
    }

    /// `POST /containers/{id}/unpause`
    pub fn unpause(self: &Arc<Self>, key: &str) -> Acted {
        self.change(|world| {
            let c = world.find(key)?;
            let id = c.id.clone();
            if !c.state.paused {
                let text = format!("Container {id} is not paused");
                return Err(Answer::error(500, text));
            }
            Ok(self.set_paused(world, &id, false))
        })
    }

    fn set_paused(&self, world: &mut World, id: &str, paused: bool) -> Answer {
        if let Some(c) = world.get(id) {
            c.state.paused = paused;
            let action = if paused { "pause" } else { "unpause" };
            self.events.tell(c, action, &[]);
        }
        Answer::empty(204)
    }

    /// `POST /containers/{id}/restart`
    pub async fn restart(self: &Arc<Self>, key: &str, grace: Option<i64>) -> Acted {
        let id = self.world().find(key)?.id.clone();
        self.stop(&id, grace).await?;
        self.start(&id)?;
        if let Some(c) = self.world().get(&id) {
            self.events.tell(c, "restart", &[]);
        }
        Ok(Answer::empty(204))
    }

    /// `POST /containers/{id}/wait`: the head at once, the body when it has ended.
    pub fn wait(self: &Arc<Self>, key: &str, request: &Request) -> Acted {
        let (id, run) = {
            let world = self.world();
            let c = world.find(key)?;
            (c.id.clone(), c.run)
        };
        let condition = request
            .param("condition")
            .unwrap_or("not-running")
            .to_owned();
        let (sender, pieces) = mpsc::channel(1);
        let host = self.clone();
        self.runtime.spawn(async move {
            let mut code = 0;
            let ended = host.wait_until(|world| {
                let Some(c) = world.containers.get(&id) else {
                    return true;
                };
                code = c.state.exit_code;
                let idle = !c.state.running;
                match condition.as_str() {
                    "removed" => false,
                    "next-exit" => c.run > run || (idle && c.state.finished_at.is_some()),
                    _ => idle,
                }
            });
            tokio::select! {
                () = ended => {}
                () = sender.closed() => return,
            }
            let body = json!({ "Error": null, "StatusCode": code });
            // A client that left no longer wants to know.
            sender.send(format!("{body}\n").into_bytes()).await.ok();
        });
        Ok(Answer::stream(pieces))
    }
}

/// The number of a signal that a request names; TERM and KILL are all that matter.
pub(crate) fn signal_number(name: Option<&str>) -> Result<i32, Answer> {
    let name = name.unwrap_or("KILL");
    match name.trim_start_matches("SIG") {
        "" | "KILL" | "9" => Ok(9),
        "TERM" | "15" => Ok(15),
        "HUP" | "1" => Ok(1),
        "INT" | "2" => Ok(2),
        "QUIT" | "3" => Ok(3),
        "USR1" | "10" => Ok(10),
        "USR2" | "12" => Ok(12),
        _ => Err(Answer::error(400, format!("Invalid signal: {name}"))),
    }
}

fn refuse_start(c: &Container) -> Result<(), Answer> {
    if c.state.paused {
        let text = "cannot start a paused container, try unpause instead";
        return Err(Answer::error(409, text));
    }
    if c.state.running {
        return Err(Answer::empty(304));
    }
    if c.state.removing || c.state.dead {
        let text = "container is marked for removal and cannot be started";
        return Err(Answer::error(409, text));
    }
    Ok(())
}

fn not_found(program: &str) -> String {
    let cause = match program.starts_with('/') {
        true => format!("stat {program}: no such file or directory"),
        false => "executable file not found in $PATH".to_owned(),
    };
    format!(
        "failed to create shim task: OCI runtime create failed: runc create failed: \
         unable to start container process: exec: \"{program}\": {cause}: unknown"
    )
}

fn stop_timeout(c: &Container) -> i64 {
    c.config["StopTimeout"].as_i64().unwrap_or(DEFAULT_GRACE)
}

/// What the container was made with, or its image asks for.
fn stop_signal(c: &Container) -> i32 {
    let asked = c.config["StopSignal"].as_str();
    signal_number(asked.or(Some("TERM"))).unwrap_or(15)
}

fn bind_sources(c: &Container) -> Vec<String> {
    let binds = super::container::string_list(&c.host_config["Binds"]);
    let sources = binds.iter().filter_map(|bind| bind.split(':').next());
    sources
        .filter(|source| source.starts_with('/'))
        .map(str::to_owned)
        .collect()
}
