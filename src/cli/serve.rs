//! `deploy-agent serve`: puts the parts together, owns the signals, drains, and says how it ended.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::process_limits;
use super::signals::Signals;
use super::sockets::Sockets;
use super::source::SettingsSource;
use super::trail_start;
use crate::access::{Access, AccessSettings, run_key_refresher};
use crate::agent::Agent;
use crate::audit::{AgentStopped, Event, Readiness, Trail};
use crate::domain::Environment;
use crate::engine::Engine;
use crate::exit::Exit;
use crate::freeze::FreezeFile;
use crate::local::{self, SocketFile};
use crate::logging;
use crate::metrics::{self, MetricsFile};
use crate::operation::{Admission, LedgerGuard, OperationDeps, inspect_host};
use crate::runtime::{self, Watcher, WatcherHandle};
use crate::settings::Settings;
use crate::systemd::{self, HandedOver, Heartbeat};

/// Past the budget, for writing answers to clients that read slowly.
const ANSWER_SLACK: Duration = Duration::from_secs(5);
/// For answering the clients of a dead actor before the process ends.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Runs until SIGTERM, SIGINT, or until a part of it dies.
pub(super) fn run(source: &SettingsSource) -> Exit {
    // While there is one thread.
    let handed_over = systemd::handed_over();
    let settings = source.settings();
    // What the settings ask to be logged counts from the first line on; without any, the process's own RUST_LOG.
    logging::start(match &settings {
        Ok(settings) => settings.log_filter.clone(),
        Err(_) => std::env::var("RUST_LOG").ok(),
    });
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            for problem in &error.0 {
                log::error!("setting {problem}");
            }
            return Exit::Settings;
        }
    };
    process_limits::disable_core_dumps();
    process_limits::raise_descriptor_limit();
    let (Ok(exit) | Err(exit)) = actix::System::new().block_on(serve(settings, handed_over));
    exit
}

async fn serve(settings: Settings, handed_over: Vec<HandedOver>) -> Result<Exit, Exit> {
    let mut sockets = Sockets::open(handed_over, &settings)?;
    let (trail, readiness) = trail_start::open(&settings)?;
    // Before the port, so that whoever finds the agent finds both.
    let (operators_file, operators_socket) = bind_operators_socket(&settings).unzip();
    let listener = sockets.listener(settings.port)?;
    let signals = Signals::receive().map_err(|error| {
        log::error!("signals cannot be received: {error}");
        Exit::Failed
    })?;
    log_access_checks(&settings);
    log::info!("signatures: {}", settings.signatures);
    log_host_files(&settings).await;
    let access = start_access(&settings);
    let (agent, watcher, dead) = start_agent(&settings, &trail, readiness).await?;
    let answer_within = settings.operation.budget + ANSWER_SLACK;
    let (server, closing) = crate::http::serve(listener, agent.clone(), access, answer_within)
        .map_err(|error| {
            log::error!("the HTTP server could not be started: {error}");
            Exit::Failed
        })?;
    if let Some(socket) = operators_socket {
        actix::spawn(local::serve(socket, agent.clone()));
    }
    let metrics = start_metrics(&settings, &agent);
    let served = actix::spawn(server);
    systemd::ready();
    log::info!(
        "{} agent {} listens on 127.0.0.1:{}",
        settings.environment,
        crate::VERSION,
        settings.port
    );
    let (exit, reason) = first_end(&agent, signals, dead, served).await;
    // Clients get their answers; one that does not read them cannot hold the process.
    if exit == Exit::Ok {
        timeout(answer_within, closing.graceful()).await.ok();
    } else {
        timeout(LAST_ANSWERS, closing.at_once()).await.ok();
    }
    // What was observed and waits for more of it.
    timeout(LAST_ANSWERS, watcher.flush()).await.ok();
    if let Some((file, task)) = metrics {
        task.abort();
        file.remove();
    }
    record_end(&trail, reason).await;
    trail.close().await;
    drop((operators_file, sockets));
    log::info!("ended");
    Ok(exit)
}

/// The operator's socket. Without it the API is served all the same: a stop must be possible.
fn bind_operators_socket(settings: &Settings) -> Option<(SocketFile, UnixListener)> {
    let directory = local::directory(&settings.state_directory);
    let bound = local::bind(&directory);
    bound
        .inspect_err(|error| {
            let path = directory.display();
            log::error!("the operator's socket in {path} cannot be opened: {error}");
        })
        .ok()
}

/// The file that a monitor reads, if one is asked for.
fn start_metrics(settings: &Settings, agent: &Agent) -> Option<(MetricsFile, JoinHandle<()>)> {
    let file = MetricsFile::new(settings.metrics_file.clone()?);
    let (agent, state) = (agent.clone(), settings.state_directory.clone());
    let task = actix::spawn(metrics::publish(agent, file.clone(), state));
    Some((file, task))
}

/// The access checks, and the task that keeps their key set fresh.
fn start_access(settings: &Settings) -> Access {
    let access = Access::new(settings.access.clone());
    if let Some(refresher) = access.key_refresher() {
        actix::spawn(run_key_refresher(refresher));
    }
    access
}

/// The actor, and what follows the container and tells of it. The receiver ends when the actor does.
async fn start_agent(
    settings: &Settings,
    trail: &Trail,
    readiness: Readiness,
) -> Result<(Agent, WatcherHandle, oneshot::Receiver<()>), Exit> {
    let fingerprints = trail_start::fingerprints(settings)?;
    let engine = Engine::new(
        settings.engine.clone(),
        settings.runtime.container_name.clone(),
    );
    let (conditions, conditions_seen) = runtime::conditions();
    let ledger = LedgerGuard::new(
        trail.clone(),
        settings.state_directory.clone(),
        settings.environment,
        conditions.clone(),
    );
    actix::spawn(trail_start::follow_trouble(trail.clone(), conditions));
    let opening = trail_start::Opening {
        trail: trail.clone(),
        engine: engine.clone(),
        ledger: ledger.clone(),
    };
    opening.conclude(readiness).await;

    let (publisher, runtime_view) = runtime::view(
        settings.runtime.container_name.clone(),
        settings.status_max_age,
    );
    let (watcher, watcher_handle) = Watcher::new(
        engine.clone(),
        &settings.runtime.container_name,
        publisher,
        trail.clone(),
        settings.status_max_age,
    );
    let (activity, activity_seen) = runtime::activity();
    actix::spawn(watcher.run());
    actix::spawn(logging::report_broken_requests());
    actix::spawn(ledger.clone().follow(engine.clone()));
    let deps = OperationDeps {
        environment: settings.environment,
        engine,
        runtime: settings.runtime.clone(),
        limits: settings.operation.clone(),
        signatures: settings.signatures.clone(),
        proxy: settings.proxy.clone(),
        host_paths: settings.host_paths.clone(),
        docker_config: settings.engine.docker_config.clone(),
        trail: trail.clone(),
        ledger,
        fingerprints,
        settings: settings.fingerprinted(),
        watcher: watcher_handle.clone(),
        activity,
        pulling: runtime::activity().0,
        images: Arc::new(Semaphore::new(1)),
        admission: Admission::new(settings.queue_capacity),
        freeze: FreezeFile::new(settings.state_directory.clone()),
    };
    if let Some(frozen) = deps.freeze.frozen(OffsetDateTime::now_utc()) {
        log::warn!("{frozen}");
    }
    // The first answer to a status is knowledge, if the engine is there at all.
    watcher_handle.refresh(false).await;
    let pulling = deps.pulling.subscribe();
    let (agent, dead) = Agent::start(deps, runtime_view, Heartbeat::from_environment());
    let told = agent.clone();
    let at_rest = move || told.overview().line();
    actix::spawn(systemd::report(
        activity_seen,
        pulling,
        conditions_seen,
        at_rest,
    ));
    Ok((agent, watcher_handle, dead))
}

/// Waits until the process is to end, and for the running operation when that is what a signal asks for: how it ends,
/// and why, for the record.
async fn first_end(
    agent: &Agent,
    mut signals: Signals,
    dead: oneshot::Receiver<()>,
    served: JoinHandle<std::io::Result<()>>,
) -> (Exit, &'static str) {
    tokio::select! {
        name = signals.next() => {
            log::info!("{name}: nothing more is admitted; the running operation ends first; the runtime container is left as it is");
            tokio::select! {
                () = agent.drain() => (Exit::Ok, name),
                never = systemd::stopping() => never,
            }
        }
        // The sender lives in the actor and never sends: any end of the channel is the actor's.
        _ = dead => {
            log::error!("the container actor died; the process ends, to be started again");
            (Exit::Broken, "the container actor died")
        }
        _ = served => {
            log::error!("the HTTP server ended by itself");
            (Exit::Broken, "the HTTP server ended by itself")
        }
    }
}

async fn record_end(trail: &Trail, reason: &str) {
    let reason = reason.to_owned();
    let end = Event::AgentStopped(AgentStopped { reason });
    if let Err(error) = trail.append(end).await {
        log::error!("the end is not recorded: {error}");
    }
}

/// What is wrong on the disk refuses deploys and not the agent, which must answer and stop.
async fn log_host_files(settings: &Settings) {
    let host = inspect_host(&settings.runtime, &settings.host_paths).await;
    for problem in host.problems {
        log::error!("deploys are refused: {problem}");
    }
}

fn log_access_checks(settings: &Settings) {
    log::info!("access: {}", settings.access.describe());
    if settings.environment == Environment::Prod && settings.access.accepts_any_token() {
        log::warn!(
            "access: any process of this host that sends two headers can deploy; to fix it, set {}",
            AccessSettings::missing_pin_hint()
        );
    }
}
