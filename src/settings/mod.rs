//! Settings: environment variables, parsed once, every problem reported at once.
//!
//! Each floor of the house is handed its own small struct. Unknown variables are ignored.

mod container;
pub mod env_file;
mod env_scan;
pub mod names;
mod reader;
mod show;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::access::AccessSettings;
use crate::domain::{AllowedPlanes, ContainerName, Environment, Repository};
pub(crate) use container::shown_init;
pub use container::{Limits, LogBounds};
use env_file::CommentEscape;
use reader::{Reader, absolute};

/// Time that a stop may need past its grace: the engine's own SIGKILL can be slow (moby `kill.go`).
pub const STOP_SLACK: Duration = Duration::from_secs(15);
/// Time kept for remove, create, start and the closing inspects, which take milliseconds on a healthy engine.
pub const SWITCH_RESERVE: Duration = Duration::from_secs(10);
/// The shortest time a pull must be left with; a budget below would refuse every deploy.
const SHORTEST_PULL: Duration = Duration::from_secs(5);
/// Cloudflare ends a request without an answer after 100 s: a budget past this could not be answered.
const LONGEST_BUDGET_SECONDS: u64 = 95;
/// Variables of the process that count where the settings file does not set them.
const BEHIND_THE_FILE: [&str; 5] = [
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "HOME",
    "RUST_LOG",
];
/// Where the images of the contract come from.
const DEFAULT_REPOSITORY: &str = "ghcr.io/ceerkle/dreichor-trading/runtime";

/// Everything `serve` needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This agent's environment.
    pub environment: Environment,
    /// Loopback port of the API.
    pub port: u16,
    /// Access checks of the front end.
    pub access: AccessSettings,
    /// The runtime container.
    pub runtime: RuntimeSettings,
    /// Where the engine and the registry credentials are.
    pub engine: EngineSettings,
    /// Pace and rules of operations.
    pub operation: OperationSettings,
    /// How old a view may be and still be served.
    pub status_max_age: Duration,
    /// How many operations may wait behind the running one.
    pub queue_capacity: usize,
    /// Audit trail, key and lock.
    pub state_directory: PathBuf,
    /// `RUST_LOG`: what is logged; none means `info`.
    pub log_filter: Option<String>,
}

/// What the runtime container is made of, all of it owned by the server.
#[derive(Debug, Clone)]
pub struct RuntimeSettings {
    /// The fixed name.
    pub container_name: ContainerName,
    /// The one repository that is allowed.
    pub repository: Repository,
    /// Host directory bound to `/var/lib/dreichor/audit-events`.
    pub audit_events: PathBuf,
    /// Host directory bound to `/var/lib/dreichor/snapshots`.
    pub snapshots: PathBuf,
    /// The runtime's environment file, read afresh at each deploy.
    pub env_file: PathBuf,
    /// Planes that `runtime.env` may name.
    pub allowed_planes: AllowedPlanes,
    /// Docker network mode.
    pub network: String,
    /// Docker restart policy.
    pub restart_policy: RestartPolicy,
    /// Whether Docker's init runs as PID 1; none leaves it to the engine's own setting.
    pub init: Option<bool>,
    /// How much of its output is kept.
    pub log: LogBounds,
    /// The most that it may use.
    pub limits: Limits,
}

/// Docker's restart policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Never.
    No,
    /// Always, after a stop and an engine restart too.
    Always,
    /// Always but after a stop.
    UnlessStopped,
    /// On a non-zero exit, without a bound.
    OnFailure,
}

/// Docker client settings.
#[derive(Debug, Clone, Default)]
pub struct EngineSettings {
    /// `DOCKER_HOST`; none means the default socket.
    pub docker_host: Option<String>,
    /// Directory of Docker's `config.json`; none means there are no credentials.
    pub docker_config: Option<PathBuf>,
    /// Directory of `key.pem`, `cert.pem` and `ca.pem` for an engine behind TLS (`DOCKER_CERT_PATH`).
    pub tls_directory: Option<PathBuf>,
}

/// Pace and rules of operations.
#[derive(Debug, Clone)]
pub struct OperationSettings {
    /// Between SIGTERM and SIGKILL.
    pub stop_grace: Duration,
    /// How long a new container is watched.
    pub start_confirmation: Duration,
    /// What the watch asks for.
    pub confirm: Confirm,
    /// From a request's arrival to its answer, queue wait included.
    pub budget: Duration,
    /// Whether a tag may move to another digest.
    pub allow_mutable_tags: bool,
}

/// What a started container must show inside the confirmation window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// It runs, or exited with 0.
    Running,
    /// An image with a HEALTHCHECK must become healthy.
    Healthy,
}

/// One problem of one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: String,
    /// What is wrong with it; holds no secret.
    pub message: String,
}

/// All problems at once.
#[derive(Debug, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SettingsError(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.variable, self.message)
    }
}

impl RestartPolicy {
    /// The name as Docker writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure => "on-failure",
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let all = [Self::No, Self::Always, Self::UnlessStopped, Self::OnFailure];
        let found = all.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or("must be no, always, unless-stopped or on-failure")
    }
}

impl OperationSettings {
    /// What must be left of the budget when the pull ends, so that the rest can end inside it.
    #[must_use]
    pub fn reserve_after_pull(&self) -> Duration {
        self.stop_grace + STOP_SLACK + self.start_confirmation + SWITCH_RESERVE
    }

    /// What a stop needs at most.
    #[must_use]
    pub fn reserve_for_stop(&self) -> Duration {
        self.stop_grace + STOP_SLACK + Duration::from_secs(5)
    }
}

impl Settings {
    /// Reads an env file and nothing else: a stray variable of the shell has no say. Only where Docker
    /// clients look, and for what is logged, does the process's environment stand behind it.
    ///
    /// # Errors
    /// An unreadable file, or every problem of its variables.
    pub fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let problem = |message: String| Problem {
            variable: path.display().to_string(),
            message,
        };
        let refused = |message: String| SettingsError(vec![problem(message)]);
        let bytes = env_file::read(path).map_err(|error| refused(error.to_string()))?;
        // How a comment that ends in a backslash is read does not matter here: it is a problem.
        let found = env_file::parse(&bytes, CommentEscape::EndsWithLine)
            .map_err(|line| refused(line.to_string()))?;
        let lines = found.problems.iter().filter(|line| {
            let ours = |name: &String| names::NAMES.contains(&name.as_str());
            line.variable.as_ref().is_none_or(ours)
        });
        let lines = lines.map(|line| problem(line.to_string())).collect();
        let mut variables = found.variables;
        for name in BEHIND_THE_FILE {
            if let (false, Ok(value)) = (variables.contains_key(name), std::env::var(name)) {
                variables.insert(name.to_owned(), value);
            }
        }
        Self::with_problems(variables, lines)
    }

    /// Reads the process's environment.
    ///
    /// # Errors
    /// Every problem of its variables.
    pub fn from_process() -> Result<Self, SettingsError> {
        // A variable that is not Unicode is none of ours: ours are ASCII by definition.
        let pairs = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::from_variables(pairs.collect())
    }

    /// Reads a map of variables.
    ///
    /// # Errors
    /// Every problem of its variables.
    pub fn from_variables(variables: HashMap<String, String>) -> Result<Self, SettingsError> {
        Self::with_problems(variables, Vec::new())
    }

    /// The same, with the problems that their source has already.
    fn with_problems(
        mut variables: HashMap<String, String>,
        mut problems: Vec<Problem>,
    ) -> Result<Self, SettingsError> {
        let mut misspelled: Vec<Problem> = variables
            .keys()
            .filter_map(|name| {
                let meant = names::misspelled_access(name)?;
                Some(Problem {
                    variable: name.escape_debug().to_string(),
                    message: format!("is no setting of this agent; is it meant for {meant}?"),
                })
            })
            .collect();
        misspelled.sort_by(|one, other| one.variable.cmp(&other.variable));
        problems.append(&mut misspelled);
        // The library takes names in any case; two that differ in it would win or lose by chance.
        variables.retain(|name, _| !name.bytes().any(|byte| byte.is_ascii_lowercase()));
        let source = config::Environment::default().source(Some(variables));
        let built = config::Config::builder().add_source(source).build();
        let built = built.map_err(|error| {
            SettingsError(vec![Problem {
                variable: "environment".into(),
                message: error.to_string(),
            }])
        })?;
        let mut reader = Reader::new(&built, problems);
        let environment = reader.required("ENVIRONMENT", str::parse::<Environment>);
        // The other variables are still checked: an operator mends them all in one go.
        let settings = Self::read(
            &mut reader,
            environment.unwrap_or(Environment::Prod),
            environment.is_some(),
        );
        match settings {
            Some(settings) if reader.problems.is_empty() => Ok(settings),
            _ => Err(SettingsError(reader.problems)),
        }
    }

    fn read(
        reader: &mut Reader<'_>,
        environment: Environment,
        environment_known: bool,
    ) -> Option<Self> {
        let root = PathBuf::from(format!("/opt/dreichor/{environment}"));
        let runtime = runtime(reader, environment, environment_known, &root);
        let access = access(reader);
        let operation = operation(reader);
        if environment_known && environment == Environment::Prod && operation.allow_mutable_tags {
            reader.problem(
                "ALLOW_MUTABLE_TAGS",
                "must be false in prod: a tag that ran is immutable",
            );
        }
        let port = reader.number("PORT", u64::from(environment.default_port()), 1..=65535);
        let engine = engine(reader);
        let status_max_age = reader.seconds("STATUS_MAX_AGE_SECONDS", 15, 2..=3600);
        let queue_capacity = reader.number("QUEUE_CAPACITY", 4, 0..=64);
        let state_directory = reader.path("STATE_DIRECTORY", root.join("deploy-agent/state"));
        // Only now may a missing one end it: every variable has been looked at.
        Some(Self {
            environment,
            port: u16::try_from(port).ok()?,
            access: access?,
            runtime: runtime?,
            engine,
            operation,
            status_max_age,
            queue_capacity: usize::try_from(queue_capacity).ok()?,
            state_directory,
            log_filter: reader.text("RUST_LOG"),
        })
    }
}

fn access(reader: &mut Reader<'_>) -> Option<AccessSettings> {
    match AccessSettings::parse(|variable| reader.raw(variable)) {
        Ok(access) => Some(access),
        Err(problems) => {
            for (variable, message) in problems {
                reader.problem(variable, message);
            }
            None
        }
    }
}

fn runtime(
    reader: &mut Reader<'_>,
    environment: Environment,
    environment_known: bool,
    root: &Path,
) -> Option<RuntimeSettings> {
    let container_name = reader.required("CONTAINER_NAME", |text| {
        match ContainerName::parse(text, environment) {
            // Without an ENVIRONMENT there is no suffix to ask for; its own problem is reported already.
            Err(_) if !environment_known => Err(String::new()),
            other => other.map_err(|error| error.to_string()),
        }
    });
    reader
        .problems
        .retain(|problem| !problem.message.is_empty());
    let audit_events = reader.required("AUDIT_EVENTS_PATH", absolute);
    let snapshots = reader.required("SNAPSHOTS_PATH", absolute);
    if let (Some(one), Some(other)) = (&audit_events, &snapshots)
        && one == other
    {
        reader.problem(
            "SNAPSHOTS_PATH",
            "must not be the directory of AUDIT_EVENTS_PATH",
        );
    }
    let allowed_planes = reader.required("ALLOW_EXECUTION_PLANE", AllowedPlanes::parse);
    let default = Repository::parse(DEFAULT_REPOSITORY)
        .expect("the default repository is valid: a test parses it");
    let repository = reader.or("IMAGE_REPOSITORY", default, Repository::parse);
    let env_file = reader.path("RUNTIME_ENV_FILE", root.join("runtime.env"));
    let network = reader.or("RUNTIME_NETWORK", "host".to_owned(), network_mode);
    let restart_policy = reader.or(
        "RUNTIME_RESTART_POLICY",
        RestartPolicy::UnlessStopped,
        RestartPolicy::parse,
    );
    let init = reader.or("RUNTIME_INIT", None, |text| {
        text.parse().map(Some).map_err(|_| "must be true or false")
    });
    let (log, limits) = (log_bounds(reader), limits(reader));
    Some(RuntimeSettings {
        container_name: container_name?,
        repository,
        audit_events: audit_events?,
        snapshots: snapshots?,
        env_file,
        allowed_planes: allowed_planes?,
        network,
        restart_policy,
        init,
        log,
        limits,
    })
}

fn log_bounds(reader: &mut Reader<'_>) -> LogBounds {
    let max_size = "10m".to_owned();
    LogBounds {
        max_size: reader.or("RUNTIME_LOG_MAX_SIZE", max_size, container::log_size),
        max_files: reader.number("RUNTIME_LOG_MAX_FILES", 3, 1..=1000),
    }
}

fn limits(reader: &mut Reader<'_>) -> Limits {
    let mut limit = |variable: &str, parse: fn(&str) -> Result<u64, &'static str>| {
        reader.or(variable, None, |text| parse(text).map(Some))
    };
    Limits {
        memory: limit("RUNTIME_MEMORY", container::memory),
        nano_cpus: limit("RUNTIME_CPUS", container::nano_cpus),
        pids: limit("RUNTIME_PIDS", container::pids),
    }
}

/// Docker's own modes, or the name of a network. Another container's network would tie the runtime to it.
fn network_mode(text: &str) -> Result<String, &'static str> {
    let valid = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if valid {
        Ok(text.to_owned())
    } else {
        Err("must be host, bridge, none or the name of a Docker network")
    }
}

fn engine(reader: &mut Reader<'_>) -> EngineSettings {
    let home = reader.text("HOME").and_then(|home| absolute(&home).ok());
    let docker_config = match reader.text("DOCKER_CONFIG") {
        Some(_) => Some(reader.path("DOCKER_CONFIG", PathBuf::new())),
        None => home.map(|home| home.join(".docker")),
    };
    let docker_host = reader.text("DOCKER_HOST");
    if let Some(host) = &docker_host
        && !["unix://", "tcp://", "http://", "https://"]
            .iter()
            .any(|scheme| host.starts_with(scheme))
    {
        reader.problem(
            "DOCKER_HOST",
            "must begin with unix://, tcp://, http:// or https://",
        );
    }
    let tls_directory = reader.text("DOCKER_CERT_PATH");
    let tls_directory = tls_directory.map(|_| reader.path("DOCKER_CERT_PATH", PathBuf::new()));
    EngineSettings {
        docker_host,
        docker_config,
        tls_directory,
    }
}

fn operation(reader: &mut Reader<'_>) -> OperationSettings {
    let settings = OperationSettings {
        stop_grace: reader.seconds("STOP_GRACE_SECONDS", 10, 0..=60),
        start_confirmation: reader.seconds("START_CONFIRMATION_SECONDS", 3, 0..=60),
        confirm: reader.or("START_CONFIRMATION", Confirm::Running, |text| match text {
            "running" => Ok(Confirm::Running),
            "healthy" => Ok(Confirm::Healthy),
            _ => Err("must be running or healthy"),
        }),
        budget: reader.seconds("OPERATION_BUDGET_SECONDS", 90, 1..=LONGEST_BUDGET_SECONDS),
        allow_mutable_tags: reader.flag("ALLOW_MUTABLE_TAGS", false),
    };
    let least = settings.reserve_after_pull() + SHORTEST_PULL;
    if settings.budget < least {
        let parts =
            "STOP_GRACE_SECONDS + 15, START_CONFIRMATION_SECONDS, 10 to switch and 5 to pull";
        reader.problem(
            "OPERATION_BUDGET_SECONDS",
            format!("must be at least {} ({parts})", least.as_secs()),
        );
    }
    settings
}

#[cfg(test)]
mod tests;
