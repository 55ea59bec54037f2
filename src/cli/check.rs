//! `deploy-agent check`: everything a deploy would need, looked at without touching anything.

use super::source::SettingsSource;
use crate::credentials::{HELPER_DEADLINE, RegistryCredentials};
use crate::engine::Engine;
use crate::exit::Exit;
use crate::operation::{bind_source, read_env_file};
use crate::settings::Settings;

/// Prints the effective settings, secrets blanked, then `ok` or every problem.
pub(super) fn run(source: &SettingsSource) -> Exit {
    let settings = match source.settings() {
        Ok(settings) => settings,
        Err(error) => {
            for problem in &error.0 {
                eprintln!("problem: {problem}");
            }
            return Exit::Settings;
        }
    };
    print!("{settings}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let problems = match runtime {
        Ok(runtime) => runtime.block_on(problems(&settings)),
        Err(error) => vec![format!("the async runtime cannot be started: {error}")],
    };
    for problem in &problems {
        eprintln!("problem: {problem}");
    }
    if problems.is_empty() {
        println!("ok: a deploy would find everything it needs");
        Exit::Ok
    } else {
        Exit::Failed
    }
}

async fn problems(settings: &Settings) -> Vec<String> {
    let mut problems = Vec::new();
    let mut note = |result: Result<(), String>| problems.extend(result.err());
    note(runtime_env(settings).await);
    note(bind_source("AUDIT_EVENTS_PATH", &settings.runtime.audit_events).await);
    note(bind_source("SNAPSHOTS_PATH", &settings.runtime.snapshots).await);
    note(engine(settings).await);
    note(credentials(settings).await);
    note(state_directory(settings));
    problems
}

async fn runtime_env(settings: &Settings) -> Result<(), String> {
    let environment = read_env_file(&settings.runtime.env_file).await?;
    let names: Vec<&str> = environment.iter().map(|(name, _)| name).collect();
    println!("runtime.env names {}", names.join(", "));
    let plane = environment.get("EXECUTION_PLANE");
    settings
        .runtime
        .allowed_planes
        .check(plane)
        .map_err(|error| error.to_string())
}

async fn engine(settings: &Settings) -> Result<(), String> {
    let engine = Engine::new(
        settings.engine.clone(),
        settings.runtime.container_name.clone(),
    );
    let named = |error: crate::engine::EngineError| format!("DOCKER_HOST {error}");
    let platform = engine.platform().await.map_err(named)?;
    println!("engine: {}/{}", platform.os, platform.architecture);
    match engine.inspect_name().await.map_err(named)? {
        Some(shown) => println!("container: {} {:?} {}", shown.id, shown.status, shown.image),
        None => println!("container: none"),
    }
    Ok(())
}

async fn credentials(settings: &Settings) -> Result<(), String> {
    let host = settings.runtime.repository.host();
    let found = RegistryCredentials::load(
        settings.engine.docker_config.as_deref(),
        host,
        HELPER_DEADLINE,
    )
    .await;
    let found = found.map_err(|error| format!("DOCKER_CONFIG {error}"))?;
    println!(
        "registry credentials for {host}: {}",
        if found.is_some() {
            "found"
        } else {
            "none, pulls are anonymous"
        }
    );
    Ok(())
}

/// Only looked at: `check` must not make what `serve` makes.
fn state_directory(settings: &Settings) -> Result<(), String> {
    let path = &settings.state_directory;
    let named = |problem: String| format!("STATE_DIRECTORY {}: {problem}", path.display());
    match std::fs::metadata(path) {
        Ok(meta) if !meta.is_dir() => Err(named("is not a directory".into())),
        Ok(_) => rustix::fs::access(path, rustix::fs::Access::WRITE_OK)
            .map_err(|error| named(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match path.parent() {
            Some(parent) if parent.is_dir() => Ok(()),
            _ => Err(named("neither it nor its parent directory exists".into())),
        },
        Err(error) => Err(named(error.to_string())),
    }
}
