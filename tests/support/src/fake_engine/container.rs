//! One container: what it was made of, what its process does, and how it shows.

use std::time::Duration;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What Docker writes for a moment that has not been.
const NEVER: &str = "0001-01-01T00:00:00Z";
/// What Docker assumes of a health check that does not say.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_RETRIES: u64 = 3;

/// What the process of a container does, told by its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Runs until TERM, then exits 0.
    Run,
    /// Exits by itself with this code.
    Exits { after: Duration, code: i64 },
    /// Comes up if it has its environment and its database, else exits 1; then exits 0, or stays until TERM.
    ComesUp { stays: bool },
    /// Runs, and only KILL ends it.
    IgnoresTerm,
    /// Runs if it gets no raw socket, else exits 3.
    Sniffs,
    /// No such executable in the image.
    Missing,
}

impl Behaviour {
    pub fn of(argv: &[String]) -> Behaviour {
        let word = |index: usize| argv.get(index).map_or("", String::as_str);
        let after = Duration::from_millis(word(2).parse().unwrap_or(0));
        let exits = |after, code| Behaviour::Exits { after, code };
        match (word(0), word(1)) {
            // No process, no bytes: whoever asks for `fill` writes them.
            ("/runtime", "run" | "fill") => Behaviour::Run,
            ("/runtime", "ignore-term") => Behaviour::IgnoresTerm,
            ("/runtime", "sniff") => Behaviour::Sniffs,
            ("/runtime", "loops") => Behaviour::ComesUp { stays: false },
            ("/runtime", "serves") => Behaviour::ComesUp { stays: true },
            ("/runtime", "exit-0") => exits(Duration::ZERO, 0),
            ("/runtime", "exit-0-after") => exits(after, 0),
            ("/runtime", "crash") => exits(Duration::ZERO, 3),
            ("/runtime", "crash-after") => exits(after, 3),
            ("/runtime", _) => exits(Duration::ZERO, 64),
            _ => Behaviour::Missing,
        }
    }

    /// The exit code that a signal leads to; nothing when the process takes no notice.
    /// As PID 1 a process without a handler is immune, unless an init stands above it.
    pub fn on_signal(self, signal: i32, init: bool) -> Option<i64> {
        match (signal, self) {
            (9, _) => Some(137),
            (15, Behaviour::Run | Behaviour::ComesUp { .. } | Behaviour::Sniffs) => Some(0),
            (15, Behaviour::Exits { .. }) if init => Some(143),
            _ => None,
        }
    }
}

/// A container's health check, simulated by its command.
#[derive(Clone, Debug)]
pub(crate) struct HealthCheck {
    pub command: String,
    pub passes: bool,
    pub interval: Duration,
    pub retries: u64,
}

impl HealthCheck {
    pub fn of(config: &Value) -> Option<HealthCheck> {
        let words = string_list(&config["Healthcheck"]["Test"]);
        if words.first().is_none_or(|kind| kind == "NONE") {
            return None;
        }
        let interval = config["Healthcheck"]["Interval"].as_u64().unwrap_or(0);
        let retries = config["Healthcheck"]["Retries"].as_u64().unwrap_or(0);
        Some(HealthCheck {
            command: words[1..].join(" "),
            passes: words.iter().any(|word| word == "check-ok"),
            interval: match interval {
                0 => DEFAULT_INTERVAL,
                nanos => Duration::from_nanos(nanos),
            },
            retries: if retries == 0 {
                DEFAULT_RETRIES
            } else {
                retries
            },
        })
    }
}

/// The outcome of the health checks so far.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub status: &'static str,
    pub failing_streak: u64,
}

/// The restart policy of a container.
#[derive(Clone, Debug, Default)]
pub(crate) struct RestartPolicy {
    pub name: String,
    pub most: u64,
}

/// One container on the simulated host.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub id: String,
    pub name: String,
    pub created: OffsetDateTime,
    pub image_id: String,
    pub argv: Vec<String>,
    pub behaviour: Behaviour,
    pub check: Option<HealthCheck>,
    pub policy: RestartPolicy,
    pub config: Value,
    pub host_config: Value,
    pub mounts: Vec<Value>,
    pub anonymous_volumes: Vec<String>,
    pub state: State,
    /// Counts the runs, so that what belonged to an earlier one can tell.
    pub run: u64,
    pub restart_count: u64,
    pub backoff: Duration,
    pub manually_stopped: bool,
    /// A signal was sent: the restart policy no longer applies to this run.
    pub exit_on_next: bool,
}

/// `State` of an inspect answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub running: bool,
    pub paused: bool,
    pub restarting: bool,
    pub removing: bool,
    pub dead: bool,
    pub oom_killed: bool,
    pub pid: u64,
    pub exit_code: i64,
    pub error: String,
    pub started_at: Option<OffsetDateTime>,
    pub finished_at: Option<OffsetDateTime>,
    pub health: Option<Health>,
}

impl State {
    /// Docker's own order of precedence.
    pub fn status(&self) -> &'static str {
        match self {
            State {
                running: true,
                paused: true,
                ..
            } => "paused",
            State {
                running: true,
                restarting: true,
                ..
            } => "restarting",
            State { running: true, .. } => "running",
            State { removing: true, .. } => "removing",
            State { dead: true, .. } => "dead",
            State {
                started_at: None, ..
            } => "created",
            _ => "exited",
        }
    }

    /// Whether a process lives, which in restart backoff none does.
    pub fn has_process(&self) -> bool {
        self.running && !self.restarting
    }

    fn show(&self) -> Value {
        let mut shown = json!({
            "Status": self.status(),
            "Running": self.running,
            "Paused": self.paused,
            "Restarting": self.restarting,
            "OOMKilled": self.oom_killed,
            "Dead": self.dead,
            "Pid": self.pid,
            "ExitCode": self.exit_code,
            "Error": self.error,
            "StartedAt": moment(self.started_at),
            "FinishedAt": moment(self.finished_at),
        });
        if let Some(health) = &self.health {
            let (status, streak) = (health.status, health.failing_streak);
            shown["Health"] = json!({ "Status": status, "FailingStreak": streak, "Log": [] });
        }
        shown
    }
}

impl Container {
    pub fn has_init(&self) -> bool {
        self.host_config["Init"].as_bool().unwrap_or(false)
    }

    /// Docker gives it by default.
    pub fn may_open_raw_sockets(&self) -> bool {
        let dropped = string_list(&self.host_config["CapDrop"]);
        !dropped.iter().any(|name| name == "NET_RAW")
    }

    pub fn labels(&self) -> Map<String, Value> {
        let labels = self.config["Labels"].as_object();
        labels.cloned().unwrap_or_default()
    }

    /// The answer of an inspect.
    pub fn inspect(&self) -> Value {
        json!({
            "Id": self.id,
            "Created": moment(Some(self.created)),
            "Path": self.argv.first().cloned().unwrap_or_default(),
            "Args": self.argv.get(1..).unwrap_or_default(),
            "State": self.state.show(),
            "Image": self.image_id,
            "Name": format!("/{}", self.name),
            "RestartCount": self.restart_count,
            "Driver": "overlay2",
            "Platform": "linux",
            "HostConfig": self.host_config,
            "Mounts": self.mounts,
            "Config": self.config,
            "NetworkSettings": { "Ports": {}, "Networks": {} },
        })
    }

    /// The container's line in a list.
    pub fn summary(&self) -> Value {
        json!({
            "Id": self.id,
            "Names": [format!("/{}", self.name)],
            "Image": self.config["Image"],
            "ImageID": self.image_id,
            "Command": self.argv.join(" "),
            "Created": self.created.unix_timestamp(),
            "Ports": [],
            "Labels": self.labels(),
            "State": self.state.status(),
            "Status": self.state.status(),
            "HostConfig": { "NetworkMode": self.host_config["NetworkMode"] },
            "NetworkSettings": { "Networks": {} },
            "Mounts": self.mounts,
        })
    }
}

pub(crate) fn string_list(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many
            .iter()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

fn moment(at: Option<OffsetDateTime>) -> String {
    at.and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| NEVER.to_owned())
}
