//! `deploy-agent serve`: puts the parts together, owns the signals, drains, and says how it ended.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::process_limits;
use super::source::SettingsSource;
use crate::access::{Access, AccessSettings, run_key_refresher};
use crate::agent::Agent;
use crate::audit::{
    AgentStopped, Event, Fingerprinter, OpenOptions, Opened, ROTATE_AT, Trail, TrailError,
};
use crate::domain::Environment;
use crate::engine::Engine;
use crate::exit::Exit;
use crate::logging;
use crate::operation::{Context, record_interrupted};
use crate::settings::Settings;
use crate::systemd::{self, Heartbeat};
use crate::view;
use crate::watcher::Watcher;

/// Past the budget, for writing answers to clients that read slowly.
const ANSWER_SLACK: Duration = Duration::from_secs(5);
/// For answering the clients of a dead actor before the process ends.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Runs until SIGTERM, SIGINT, or until a part of it dies.
pub(super) fn run(source: &SettingsSource) -> Exit {
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
    actix::System::new().block_on(serve(settings))
}

async fn serve(settings: Settings) -> Exit {
    let (trail, opened, fingerprinter) = match open_trail(&settings) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)) {
        Ok(listener) => listener,
        Err(error) => {
            log::error!("127.0.0.1:{} cannot be listened on: {error}", settings.port);
            return Exit::Failed;
        }
    };
    let (mut terminate, mut interrupt) = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => {
            log::error!("signals cannot be received: {error}");
            return Exit::Failed;
        }
    };
    log_access_checks(&settings);
    let fingerprinted = settings.fingerprinted();
    let engine = Engine::new(
        settings.engine.clone(),
        settings.runtime.container_name.clone(),
    );
    record_interrupted(&trail, &engine, &opened).await;

    let (publisher, runtime_view) = view::view(
        settings.runtime.container_name.clone(),
        settings.status_max_age,
    );
    let (watcher, watcher_handle) =
        Watcher::new(engine.clone(), publisher, settings.status_max_age);
    let (activity, activity_seen) = view::activity();
    actix::spawn(watcher.run());
    actix::spawn(systemd::report(activity_seen));
    actix::spawn(logging::report_broken_requests());
    let access = Access::new(settings.access.clone());
    if let Some(refresher) = access.key_refresher() {
        actix::spawn(run_key_refresher(refresher));
    }
    let budget = settings.operation.budget;
    let operations = Context {
        environment: settings.environment,
        engine,
        runtime: settings.runtime.clone(),
        rules: settings.operation.clone(),
        docker_config: settings.engine.docker_config.clone(),
        trail: trail.clone(),
        settings_fingerprint: fingerprinter
            .of([("settings", fingerprinted.as_str())])
            .fingerprint,
        fingerprinter,
        watcher: watcher_handle.clone(),
        activity,
    };
    // The first answer to a status is knowledge, if the engine is there at all.
    watcher_handle.refresh(false).await;
    let (agent, dead) = Agent::start(
        operations,
        runtime_view,
        settings.queue_capacity,
        Heartbeat::from_environment(),
    );
    let server = match crate::http::serve(listener, agent.clone(), access, budget + ANSWER_SLACK) {
        Ok(server) => server,
        Err(error) => {
            log::error!("the HTTP server could not be started: {error}");
            return Exit::Failed;
        }
    };
    let server_handle = server.handle();
    let mut served = actix::spawn(server);
    systemd::ready();
    log::info!(
        "{} agent {} listens on 127.0.0.1:{}",
        settings.environment,
        crate::VERSION,
        settings.port
    );

    let (exit, reason) = tokio::select! {
        name = termination(&mut terminate, &mut interrupt) => {
            log::info!("{name}: nothing more is admitted; the running operation ends first; the runtime container is left as it is");
            tokio::select! {
                () = agent.drain() => (Exit::Ok, name),
                never = systemd::stopping() => never,
            }
        }
        exit = died(dead) => (exit, "the container actor died"),
        _ = &mut served => {
            log::error!("the HTTP server ended by itself");
            (Exit::Broken, "the HTTP server ended by itself")
        }
    };
    let graceful = exit == Exit::Ok;
    let limit = if graceful {
        budget + ANSWER_SLACK
    } else {
        LAST_ANSWERS
    };
    // Clients get their answers; one that does not read them cannot hold the process.
    tokio::time::timeout(limit, server_handle.stop(graceful))
        .await
        .ok();
    let reason = reason.to_owned();
    if let Err(error) = trail
        .append(Event::AgentStopped(AgentStopped { reason }))
        .await
    {
        log::error!("the end is not recorded: {error}");
    }
    trail.close().await;
    log::info!("ended");
    exit
}

/// Waits for SIGTERM or SIGINT.
async fn termination(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

async fn died(dead: oneshot::Receiver<()>) -> Exit {
    // The sender lives in the actor and never sends: any end of the channel is the actor's.
    drop(dead.await);
    log::error!("the container actor died; the process ends, to be started again");
    Exit::Broken
}

fn open_trail(settings: &Settings) -> Result<(Trail, Opened, Fingerprinter), Exit> {
    let options = OpenOptions {
        state_directory: settings.state_directory.clone(),
        environment: settings.environment.as_str().to_owned(),
        agent_version: crate::VERSION.to_owned(),
        rotate_at: ROTATE_AT,
    };
    let opened = Trail::open(options).map_err(|error| {
        log::error!(
            "STATE_DIRECTORY {}: {error}",
            settings.state_directory.display()
        );
        if matches!(error, TrailError::Locked(_)) {
            Exit::Locked
        } else {
            Exit::Failed
        }
    })?;
    let fingerprinter = Fingerprinter::open(&settings.state_directory).map_err(|error| {
        log::error!(
            "STATE_DIRECTORY {}: {error}",
            settings.state_directory.display()
        );
        Exit::Failed
    })?;
    let (trail, opened) = opened;
    if let Some(torn) = &opened.torn {
        log::warn!(
            "audit trail: a crash left {} bytes that are no whole record; they are kept in {}",
            torn.bytes,
            torn.file
        );
    }
    for problem in &opened.problems {
        log::error!("audit trail: {problem}");
    }
    log::info!(
        "audit trail: {} records, {} tags known, head {}",
        opened.seq,
        opened.ledger_tags,
        trail.head()
    );
    Ok((trail, opened, fingerprinter))
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
