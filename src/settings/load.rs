//! All settings together: loaded once, from a file or from the process, and every problem of them told at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access;
use super::engine::EngineSettings;
use super::env_file;
use super::names;
use super::operation::OperationSettings;
use super::paths;
use super::problem::{Problem, SettingsError};
use super::proxy::ProxySettings;
use super::reader::{Reader, absolute};
use super::runtime::RuntimeSettings;
use super::signature;
use crate::access::AccessSettings;
use crate::domain::{Environment, HostPaths, blank_secrets};
use crate::signature::SignatureSettings;

/// Variables of the process that count where the settings file does not set them.
const PROCESS_FALLBACKS: [&str; 5] = [
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "HOME",
    "RUST_LOG",
];

/// Everything `serve` needs to know. `Debug` and `Display` show no secret.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This agent's environment.
    pub environment: Environment,
    /// Loopback port of the API.
    pub port: u16,
    /// The checks that every request passes.
    pub access: AccessSettings,
    /// The runtime container.
    pub runtime: RuntimeSettings,
    /// Whether images must be signed, and by which keys.
    pub signatures: SignatureSettings,
    /// How the registry is reached when it is asked for them.
    pub proxy: ProxySettings,
    /// Where the engine and the registry credentials are.
    pub engine: EngineSettings,
    /// Limits of operations.
    pub operation: OperationSettings,
    /// How old the observed status may be and still be served.
    pub status_max_age: Duration,
    /// How many operations may wait behind the running one.
    pub queue_capacity: usize,
    /// Directory of the audit trail, its key and its lock.
    pub state_directory: PathBuf,
    /// What the binds must be apart from, as it is written.
    pub host_paths: HostPaths,
    /// Text for the node exporter's textfile collector; none means that none is written.
    pub metrics_file: Option<PathBuf>,
    /// `RUST_LOG`: what is logged; none means `info`.
    pub log_filter: Option<String>,
}

impl Settings {
    /// Reads an env file and nothing else: a stray variable of the shell has no say. Only where Docker
    /// clients look, and for what is logged, does the process's environment count where the file is silent. Blocks.
    ///
    /// # Errors
    /// An unreadable file, or every problem of its variables.
    pub fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let problem = |message: String| Problem {
            variable: path.display().to_string(),
            message,
        };
        let only = |message: String| SettingsError(vec![problem(message)]);
        let file = env_file::load(path).map_err(only)?;
        let known = |name: &String| names::NAMES.contains(&name.as_str());
        let lines = file.problems.iter();
        let lines = lines.filter(|line| line.variable.as_ref().is_none_or(known));
        let problems = lines.map(|line| problem(line.to_string())).collect();
        let mut variables = file.variables;
        for name in PROCESS_FALLBACKS {
            if let (false, Ok(value)) = (variables.contains_key(name), std::env::var(name)) {
                variables.insert(name.to_owned(), value);
            }
        }
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self::with_problems(variables, problems, Some(&absolute))
    }

    /// What [`Self::from_file`], or without a file [`Self::from_process`], ignores though it may be meant for a setting: a
    /// sentence each. Blocks.
    #[must_use]
    pub fn ignored(file: Option<&Path>) -> Vec<String> {
        let mut names: Vec<String> = match file.map(env_file::load) {
            Some(Ok(file)) => file.variables.into_keys().collect(),
            // Which is a problem already.
            Some(Err(_)) => Vec::new(),
            None => std::env::vars_os()
                .filter_map(|(name, _)| name.into_string().ok())
                .collect(),
        };
        names.sort();
        let meant = |name: &String| {
            let meant = names::may_be_meant_for(name)?;
            let name = name.escape_debug();
            Some(format!(
                "{name} is no setting of this agent and is ignored; is it meant for {meant}?"
            ))
        };
        names.iter().filter_map(meant).collect()
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
        Self::with_problems(variables, Vec::new(), None)
    }

    /// The same, with the problems that their source has already.
    fn with_problems(
        mut variables: HashMap<String, String>,
        mut problems: Vec<Problem>,
        file: Option<&Path>,
    ) -> Result<Self, SettingsError> {
        problems.extend(misspelled(&variables));
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
        let settings = Self::read(&mut reader, file);
        match settings {
            Some(settings) if reader.problems.is_empty() => Ok(settings),
            _ => Err(SettingsError(reader.problems)),
        }
    }

    /// Reads every variable, also behind one that is missing or wrong: an operator fixes them all in one go.
    fn read(reader: &mut Reader<'_>, file: Option<&Path>) -> Option<Self> {
        let environment = reader.required("ENVIRONMENT", str::parse::<Environment>);
        // Defaults must come from somewhere until the problem of ENVIRONMENT is told.
        let assumed = environment.unwrap_or(Environment::Prod);
        let root = Path::new(paths::ENVIRONMENTS).join(assumed.as_str());
        let runtime = RuntimeSettings::read(reader, environment, &root);
        let access = access::read(reader);
        let signatures = signature::read(reader);
        let proxy = match signatures.is_on() {
            true => ProxySettings::read(reader),
            false => ProxySettings::default(),
        };
        let operation = OperationSettings::read(reader, signatures.is_on());
        if environment == Some(Environment::Prod) && operation.allow_mutable_tags {
            reader.problem(
                "ALLOW_MUTABLE_TAGS",
                "must be false in prod: a tag that ran is immutable",
            );
        }
        let port = reader.number("PORT", u64::from(assumed.default_port()), 1..=65535);
        let engine = EngineSettings::read(reader);
        let status_max_age = reader.seconds("STATUS_MAX_AGE_SECONDS", 15, 2..=3600);
        let queue_capacity = reader.number("QUEUE_CAPACITY", 4, 0..=64);
        let state_directory = reader.path("STATE_DIRECTORY", root.join("deploy-agent/state"));
        let metrics_file = reader.optional("METRICS_FILE", metrics_file);
        let log_filter = reader.optional("RUST_LOG", log_filter);
        let (environment, runtime) = (environment?, runtime?);
        let host_paths = paths::read(
            reader,
            environment,
            &runtime,
            &engine,
            &signatures,
            &state_directory,
            [metrics_file.as_deref(), file],
        );
        Some(Self {
            environment,
            port: u16::try_from(port).ok()?,
            access,
            runtime,
            signatures,
            proxy,
            engine,
            operation,
            status_max_age,
            queue_capacity: usize::try_from(queue_capacity).ok()?,
            state_directory,
            host_paths,
            metrics_file,
            log_filter,
        })
    }
}

/// The exporter reads what ends in `.prom` and nothing else.
fn metrics_file(text: &str) -> Result<PathBuf, &'static str> {
    let path = absolute(text)?;
    match path.extension() {
        Some(extension) if extension == "prom" => Ok(path),
        _ => Err("must be an absolute path that ends in .prom"),
    }
}

/// What is no filter is told by its own text on standard error, where no secret may be.
fn log_filter(text: &str) -> Result<String, &'static str> {
    match blank_secrets(text) == text {
        true => Ok(text.to_owned()),
        false => Err("is no log filter, and looks like a secret"),
    }
}

/// A check that is silently off is worse than none, so that what looks like one of them is a problem.
fn misspelled(variables: &HashMap<String, String>) -> Vec<Problem> {
    let mut found: Vec<Problem> = variables
        .keys()
        .filter_map(|name| {
            let meant = names::misspelled_check(name)?;
            Some(Problem {
                variable: name.escape_debug().to_string(),
                message: format!("is no setting of this agent; is it meant for {meant}?"),
            })
        })
        .collect();
    found.sort_by(|one, other| one.variable.cmp(&other.variable));
    found
}
