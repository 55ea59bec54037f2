//! What `check` finds: each part that a deploy would need is inspected, and none is changed.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::container_lock::{LockHolder, lock_holder};
use super::guarded_files;
use super::notes::{frozen, notes};
use super::output::say;
use super::systemd_version;
use crate::audit::{Occupancy, Rehearsal, TrailError, doubts_of, examine, rehearse};
use crate::credentials::{HELPER_DEADLINE, Lookup, RegistryCredentials};
use crate::domain::{Environment, RuntimeEnv, shown_name};
use crate::engine::{Engine, EngineError};
use crate::freeze::Frozen;
use crate::operation::{EngineInspection, FileFault, HostProblem, inspect_engine, inspect_host};
use crate::registry::{Way, try_the_way};
use crate::settings::{SIGNATURE_LIMIT, Settings};
use crate::way_out;

/// The most that fetching the key set may take.
const KEYS_DEADLINE: Duration = Duration::from_secs(10);

/// The most that asking for a listener may take.
const PORT_DEADLINE: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Default)]
pub(super) struct Findings {
    /// A deploy, or the agent itself, would fail.
    pub(super) problems: Vec<String>,
    /// Worth knowing, and no reason to fail.
    pub(super) notes: Vec<String>,
}

impl Findings {
    fn take(&mut self, result: Result<(), String>) {
        self.problems.extend(result.err());
    }

    /// Why the ledger of tags may not know every tag, which refuses deploys in prod.
    fn doubted(&mut self, environment: Environment, said: impl Iterator<Item = String>) {
        match environment {
            Environment::Prod => self.problems.extend(said.map(|said| {
                format!("{said}; deploys are refused until `deploy-agent acknowledge prod --reason TEXT`")
            })),
            Environment::Dev => self.notes.extend(said),
        }
    }

    /// Root runs the check for somebody else, whose file it may be.
    fn take_fault(&mut self, fault: &FileFault) {
        match fault.is_of_owner() && rustix::process::geteuid().is_root() {
            true => self
                .notes
                .push(format!("{fault}, unless that is the agent's own user")),
            false => self.problems.push(fault.to_string()),
        }
    }
}

/// Inspects what a deploy would need, one part after the other, and prints what is there.
pub(super) async fn inspect(settings: &Settings, env_file: Option<&Path>) -> Findings {
    let mut found = Findings::default();
    let environment = host(settings, &mut found).await;
    for fault in guarded_files::faults(settings, env_file) {
        found.take_fault(&fault);
    }
    service_manager(&mut found);
    engine(settings, &mut found).await;
    registry(settings, &mut found).await;
    signatures(settings, &mut found).await;
    if let Some(keys) = settings.access.try_keys(KEYS_DEADLINE).await {
        match keys {
            Ok(source) => say!("key set: found at {source}"),
            Err(error) => found
                .problems
                .push(format!("CF_ACCESS_TEAM_DOMAIN {error}")),
        }
    }
    found.notes.extend(notes(settings, env_file));
    freeze(settings, &mut found);
    let occupancy = state_directory(settings, &mut found);
    ledger(settings, &mut found);
    let running = !matches!(occupancy, Some(Occupancy::Free | Occupancy::Missing));
    let holder = lock_holder(&settings.runtime.container_name);
    found.take(container_lock(settings, running, holder));
    found.take(port(settings, running, holder));
    // An engine's words may quote what a container was given.
    if let Some(environment) = &environment {
        let texts = found.problems.iter_mut().chain(&mut found.notes);
        texts.for_each(|text| *text = environment.redact(text));
    }
    found
}

/// What a deploy's preflight asks of this host; what the runtime would be given, if that can be read.
async fn host(settings: &Settings, found: &mut Findings) -> Option<RuntimeEnv> {
    let host = inspect_host(&settings.runtime, &settings.host_paths).await;
    if let Some(environment) = &host.environment {
        let names: Vec<&str> = environment
            .iter()
            .map(|(name, _)| shown_name(name))
            .collect();
        say!("runtime.env names {}", names.join(", "));
    }
    for problem in host.problems {
        match problem {
            HostProblem::EnvFile(fault) => found.take_fault(&fault),
            problem @ HostProblem::Other(_) => found.problems.push(problem.to_string()),
        }
    }
    host.environment
}

/// What the units need of systemd, where there is one.
fn service_manager(found: &mut Findings) {
    if let Some(version) = systemd_version::of_this_host() {
        say!("systemd: {version}");
        found.take(systemd_version::new_enough(version));
    }
}

async fn engine(settings: &Settings, found: &mut Findings) {
    let engine = Engine::new(
        settings.engine.clone(),
        settings.runtime.container_name.clone(),
    );
    let differences = async {
        let EngineInspection { info, problems } =
            inspect_engine(&engine, &settings.runtime).await?;
        say!(
            "engine: {}/{}",
            info.platform.os,
            info.platform.architecture
        );
        say!("engine is {}", info.about);
        let policy = settings.runtime.restart_policy;
        say!(
            "a restart or upgrade of the engine {}",
            info.about.after_restart(policy)
        );
        found.notes.extend(info.about.notes());
        say!(
            "log of the runtime: {}",
            info.container_log_in_words(&settings.runtime.log)
        );
        found
            .problems
            .extend(problems.iter().map(ToString::to_string));
        match engine.inspect_name().await? {
            Some(container) => say!(
                "container: {} {:?} {}",
                container.id,
                container.status,
                container.image
            ),
            None => say!("container: none"),
        }
        engine.differences_of_predecessor(&settings.runtime).await
    };
    let differences: Result<Vec<String>, EngineError> = differences.await;
    match differences {
        Ok(differences) => found.notes.extend(differences.into_iter().map(|difference| {
            format!("the container was not made by this agent, and the first deploy replaces it: {difference}")
        })),
        Err(error) => {
            let hint = engine.hint(&error);
            found.problems.push(format!("DOCKER_HOST {error}{hint}"));
        }
    }
}

async fn registry(settings: &Settings, found: &mut Findings) {
    let host = settings.runtime.repository.host();
    let directory = settings.engine.docker_config.as_deref();
    let looked_up = RegistryCredentials::look_up(directory, host, HELPER_DEADLINE).await;
    let Lookup {
        auth,
        helper,
        proxies,
    } = match looked_up {
        Ok(lookup) => lookup,
        Err(error) => return found.problems.push(format!("DOCKER_CONFIG {error}")),
    };
    if proxies {
        found.notes.push(
            "DOCKER_CONFIG sets proxies, which the docker client hands on to containers and this agent does not: what the runtime needs of them belongs into runtime.env"
                .to_owned(),
        );
    }
    match (auth, helper) {
        (Some(_), _) => say!("registry credentials for {host}: found"),
        (None, Some(helper)) => found.problems.push(format!(
            "DOCKER_CONFIG the credential helper docker-credential-{helper} is configured for {host} and knows nothing of it: pulls would be anonymous"
        )),
        (None, None) => say!("registry credentials for {host}: none, pulls are anonymous"),
    }
}

/// The keys, which the settings have read already, and the way to the registry that a deploy would go.
async fn signatures(settings: &Settings, found: &mut Findings) {
    let signatures = &settings.signatures;
    if !signatures.is_on() {
        return;
    }
    for key in &signatures.keys {
        say!("signature key: {} in {}", key.id(), key.path().display());
    }
    let repository = &settings.runtime.repository;
    let way = Way {
        docker_config: settings.engine.docker_config.as_deref(),
        proxy: &settings.proxy,
    };
    match try_the_way(&way, repository, SIGNATURE_LIMIT).await {
        Ok(()) => say!("registry for signatures: {} answers", repository.host()),
        Err(error) => {
            let hint = match error.is_unreachable() {
                true => way_out::hint(repository.host()),
                false => "",
            };
            found
                .problems
                .push(format!("SIGNATURE_POLICY {error}{hint}"));
        }
    }
}

/// What somebody has asked for is no fault; what nobody can read, and so holds without an end, is one.
fn freeze(settings: &Settings, found: &mut Findings) {
    match frozen(&settings.state_directory) {
        None => {}
        Some(frozen @ Frozen::Until { .. }) => found.notes.push(format!("{frozen}; stops are not")),
        Some(frozen @ Frozen::Unreadable(_)) => {
            found.problems.push(format!("STATE_DIRECTORY {frozen}"));
        }
    }
}

/// Only examined: `check` must not make what `serve` makes.
fn state_directory(settings: &Settings, found: &mut Findings) -> Option<Occupancy> {
    let path = &settings.state_directory;
    let named = |problem: &dyn std::fmt::Display| format!("STATE_DIRECTORY {problem}");
    match examine(path, settings.environment.as_str()) {
        Ok(occupancy) => {
            let Rehearsal { hindrances, damage } = rehearse(path, occupancy);
            let said = hindrances.iter().map(|hindrance| named(hindrance));
            found.problems.extend(said);
            let said = damage.iter().map(|damage| {
                format!(
                    "{}: {damage}; the next start records it",
                    named(&path.display())
                )
            });
            found.doubted(settings.environment, said);
            Some(occupancy)
        }
        // Root runs the check for somebody else: what the agent's own user would find, the unit's check tells.
        Err(error @ TrailError::WrongOwner { .. }) if rustix::process::geteuid().is_root() => {
            found.notes.push(format!(
                "STATE_DIRECTORY {error}; dreichor-deploy-agent-setup check runs as the agent's own user"
            ));
            None
        }
        Err(error) => {
            found.problems.push(named(&error));
            None
        }
    }
}

/// What the agent of this state directory has said of its ledger, and nobody has acknowledged.
fn ledger(settings: &Settings, found: &mut Findings) {
    let path = &settings.state_directory;
    let (prod, doubts) = (settings.environment == Environment::Prod, doubts_of(path));
    match doubts {
        // That it cannot be read is told where the directory is looked at.
        Err(_) => {}
        Ok(None) if prod => found.notes.push(format!(
            "STATE_DIRECTORY {}: there is no audit trail yet; deploys wait for `deploy-agent acknowledge prod --reason TEXT` once the agent has started",
            path.display()
        )),
        Ok(None) => {}
        Ok(Some(doubts)) => {
            let said = doubts
                .iter()
                .map(|doubt| format!("STATE_DIRECTORY {}: {doubt}", path.display()));
            found.doubted(settings.environment, said);
        }
    }
}

/// Whose state directory is in use runs, and then the lock is its own.
fn container_lock(
    settings: &Settings,
    running: bool,
    holder: Option<LockHolder>,
) -> Result<(), String> {
    let name = &settings.runtime.container_name;
    match holder {
        Some(holder @ (LockHolder::Process { .. } | LockHolder::Unknown)) if !running => {
            Err(format!(
                "CONTAINER_NAME {name}: an agent with another state directory has this container: {holder}"
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// Asks whether somebody listens, and never listens itself: an agent that starts at this moment would find it taken.
fn port(settings: &Settings, running: bool, holder: Option<LockHolder>) -> Result<(), String> {
    let port = settings.port;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpStream::connect_timeout(&address, PORT_DEADLINE) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        // Whose directory is in use runs, and then the port is its own.
        _ if running => {
            say!("port {port}: in use by the agent that runs");
            Ok(())
        }
        // The socket unit has both, the lock and the port.
        _ if holder == Some(LockHolder::ServiceManager) => {
            say!("port {port}: held by systemd for the agent");
            Ok(())
        }
        Ok(_) | Err(_) => Err(format!(
            "PORT {port} is taken: something else listens on {address}"
        )),
    }
}
