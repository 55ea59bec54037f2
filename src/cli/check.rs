//! `deploy-agent check`: everything a deploy would need, looked at without touching anything.
//!
//! It sees what its own user sees, in its own sandbox: on a host `dreichor-deploy-agent-setup check` runs it as the unit's.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use super::source::SettingsSource;
use crate::audit::{Occupancy, TrailError, examine};
use crate::credentials::{HELPER_DEADLINE, RegistryCredentials};
use crate::engine::{Engine, EngineError};
use crate::exit::Exit;
use crate::operation::{bind_source, read_env_file};
use crate::settings::Settings;
use crate::settings::env_file::{self, CommentEscape};

/// The most that fetching the key set may take.
const KEYS_DEADLINE: Duration = Duration::from_secs(10);

/// The most that asking for a listener may take.
const PORT_DEADLINE: Duration = Duration::from_secs(1);

/// What `check` looks at.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Where the settings come from.
    #[command(flatten)]
    source: SettingsSource,
    /// Only print this variable of the settings file as systemd reads it, nothing if it is not set
    #[arg(long, value_name = "NAME")]
    variable: Option<String>,
}

/// What was found.
#[derive(Default)]
struct Findings {
    /// A deploy, or the agent itself, would fail.
    problems: Vec<String>,
    /// Worth knowing, and no reason to fail.
    notes: Vec<String>,
}

impl Findings {
    fn take(&mut self, result: Result<(), String>) {
        self.problems.extend(result.err());
    }
}

/// Prints the effective settings, secrets blanked, then every note, and `ok` or every problem.
pub(super) fn run(arguments: &CheckArguments) -> Exit {
    if let Some(name) = &arguments.variable {
        return print_variable(arguments, name);
    }
    let settings = match arguments.source.settings_or_exit() {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    print!("{settings}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let found = match runtime {
        Ok(runtime) => runtime.block_on(findings(&settings)),
        Err(error) => Findings {
            problems: vec![format!("the async runtime cannot be started: {error}")],
            notes: Vec::new(),
        },
    };
    for note in &found.notes {
        println!("note: {note}");
    }
    for problem in &found.problems {
        eprintln!("problem: {problem}");
    }
    if found.problems.is_empty() {
        println!("ok: a deploy would find everything it needs");
        Exit::Ok
    } else {
        Exit::Failed
    }
}

/// One variable of the file as systemd reads it, for scripts; nothing if it is not set. Whether the settings as a whole
/// are right does not matter here.
fn print_variable(arguments: &CheckArguments, name: &str) -> Exit {
    let Some(path) = &arguments.source.env_file else {
        eprintln!("--variable needs --env-file");
        return Exit::Failed;
    };
    let read = env_file::read(path).map_err(|error| error.to_string());
    let found = read.and_then(|bytes| {
        env_file::parse(&bytes, CommentEscape::EndsWithLine).map_err(|line| line.to_string())
    });
    match found {
        Ok(found) => {
            if let Some(value) = found.variables.get(name) {
                println!("{value}");
            }
            Exit::Ok
        }
        Err(problem) => {
            eprintln!("problem: {} {problem}", path.display());
            Exit::Failed
        }
    }
}

async fn findings(settings: &Settings) -> Findings {
    let mut found = Findings::default();
    found.take(runtime_env(settings).await);
    let runtime = &settings.runtime;
    found.take(bind_source("AUDIT_EVENTS_PATH", &runtime.audit_events).await);
    found.take(bind_source("SNAPSHOTS_PATH", &runtime.snapshots).await);
    engine(settings, &mut found).await;
    registry(settings, &mut found).await;
    if let Some(keys) = settings.access.try_keys(KEYS_DEADLINE).await {
        match keys {
            Ok(source) => println!("key set: found at {source}"),
            Err(error) => found
                .problems
                .push(format!("CF_ACCESS_TEAM_DOMAIN {error}")),
        }
    }
    let occupancy = state_directory(settings, &mut found);
    found.take(port(settings, occupancy));
    found
}

async fn runtime_env(settings: &Settings) -> Result<(), String> {
    let environment = read_env_file(&settings.runtime.env_file).await?;
    let names: Vec<&str> = environment.iter().map(|(name, _)| name).collect();
    println!("runtime.env names {}", names.join(", "));
    if environment.get("DATABASE_URL").is_none_or(str::is_empty) {
        let path = settings.runtime.env_file.display();
        return Err(format!(
            "RUNTIME_ENV_FILE {path}: DATABASE_URL is missing or empty"
        ));
    }
    let plane = environment.get("EXECUTION_PLANE");
    settings
        .runtime
        .allowed_planes
        .check(plane)
        .map_err(|error| error.to_string())
}

async fn engine(settings: &Settings, found: &mut Findings) {
    let engine = Engine::new(
        settings.engine.clone(),
        settings.runtime.container_name.clone(),
    );
    let inspected = async {
        let info = engine.info().await?;
        println!(
            "engine: {}/{}",
            info.platform.os, info.platform.architecture
        );
        found.take(info.can_keep(&settings.runtime.limits));
        match engine.inspect_name().await? {
            Some(held) => println!("container: {} {:?} {}", held.id, held.status, held.image),
            None => println!("container: none"),
        }
        engine.differences_of_predecessor(&settings.runtime).await
    };
    let inspected: Result<Vec<String>, EngineError> = inspected.await;
    match inspected {
        Ok(differences) => found.notes.extend(differences.into_iter().map(|difference| {
            format!("the container was not made by this agent, and the first deploy replaces it: {difference}")
        })),
        Err(error) => found.problems.push(format!("DOCKER_HOST {error}")),
    }
}

async fn registry(settings: &Settings, found: &mut Findings) {
    let host = settings.runtime.repository.host();
    let directory = settings.engine.docker_config.as_deref();
    let looked = async {
        let remarks = RegistryCredentials::remarks(directory, host).await?;
        let auth = RegistryCredentials::load(directory, host, HELPER_DEADLINE).await?;
        Ok::<_, crate::credentials::CredentialsError>((remarks, auth))
    };
    let (remarks, auth) = match looked.await {
        Ok(looked) => looked,
        Err(error) => return found.problems.push(format!("DOCKER_CONFIG {error}")),
    };
    if remarks.proxies {
        found.notes.push(
            "DOCKER_CONFIG sets proxies, which the docker client hands on to containers and this agent does not: what the runtime needs of them belongs into runtime.env"
                .to_owned(),
        );
    }
    match (&auth, &remarks.helper) {
        (Some(_), _) => println!("registry credentials for {host}: found"),
        (None, Some(helper)) => found.problems.push(format!(
            "DOCKER_CONFIG the credential helper docker-credential-{helper} is configured for {host} and knows nothing of it: pulls would be anonymous"
        )),
        (None, None) => println!("registry credentials for {host}: none, pulls are anonymous"),
    }
}

/// Only looked at: `check` must not make what `serve` makes.
fn state_directory(settings: &Settings, found: &mut Findings) -> Option<Occupancy> {
    let path = &settings.state_directory;
    let named = |problem: &dyn std::fmt::Display| format!("STATE_DIRECTORY {problem}");
    match examine(path, settings.environment.as_str()) {
        Ok(Occupancy::Missing) => {
            if !path.parent().is_some_and(std::path::Path::is_dir) {
                let path = path.display();
                found.problems.push(named(&format!(
                    "{path}: neither it nor its parent directory exists"
                )));
            }
            Some(Occupancy::Missing)
        }
        Ok(occupancy) => {
            if let Err(error) = rustix::fs::access(path, rustix::fs::Access::WRITE_OK) {
                found
                    .problems
                    .push(named(&format!("{}: {error}", path.display())));
            }
            Some(occupancy)
        }
        // Root looks for somebody else: what the agent's own user would find is for the unit to see.
        Err(error @ TrailError::WrongOwner { .. }) if rustix::process::geteuid().is_root() => {
            found.notes.push(format!(
                "STATE_DIRECTORY {error}; dreichor-deploy-agent-setup check looks as the agent's own user"
            ));
            None
        }
        Err(error) => {
            found.problems.push(named(&error));
            None
        }
    }
}

/// Asks whether somebody listens, and never listens itself: an agent that starts at this moment would find it taken.
fn port(settings: &Settings, occupancy: Option<Occupancy>) -> Result<(), String> {
    let port = settings.port;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpStream::connect_timeout(&address, PORT_DEADLINE) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        // Whose directory is in use runs, and then the port is its own.
        _ if !matches!(occupancy, Some(Occupancy::Free | Occupancy::Missing)) => {
            println!("port {port}: in use by the agent that runs");
            Ok(())
        }
        Ok(_) | Err(_) => Err(format!(
            "PORT {port} is taken: something else listens on {address}"
        )),
    }
}
