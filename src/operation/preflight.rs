//! What can be checked before anything is touched: before the pull, and between the pull and the stop.

use std::path::Path;

use futures_util::future::join;
use tokio::io::AsyncReadExt;

use super::Context;
use super::failure::StepError;
use crate::audit::LedgerEntry;
use crate::domain::{Environment, RuntimeEnv};
use crate::engine::{EngineInfo, Observed, Platform, PulledImage};

/// More than any environment the kernel would take for a process (`MAX_ARG_STRLEN` times a few).
const LARGEST_ENV_FILE: u64 = 1024 * 1024;

/// What the preflight found.
pub(super) struct Prepared {
    pub(super) environment: RuntimeEnv,
    pub(super) engine: EngineInfo,
}

/// Touches nothing: reads `runtime.env` afresh, checks the binds, the plane and the engine.
pub(super) async fn preflight(context: &Context) -> Result<Prepared, StepError> {
    // The engine starts programs to tell its version: the host is looked at meanwhile.
    let (environment, engine) = join(host(context), context.engine.info()).await;
    let (environment, engine) = (environment?, engine?);
    engine
        .can_keep(&context.runtime.limits)
        .map_err(StepError::Host)?;
    Ok(Prepared {
        environment,
        engine,
    })
}

/// The files and directories of a deploy.
async fn host(context: &Context) -> Result<RuntimeEnv, StepError> {
    let environment = read_env_file(&context.runtime.env_file)
        .await
        .map_err(StepError::Host)?;
    let plane = environment.get("EXECUTION_PLANE");
    context
        .runtime
        .allowed_planes
        .check(plane)
        .map_err(|error| StepError::Host(error.to_string()))?;
    for (variable, path) in [
        ("AUDIT_EVENTS_PATH", &context.runtime.audit_events),
        ("SNAPSHOTS_PATH", &context.runtime.snapshots),
    ] {
        bind_source(variable, path).await.map_err(StepError::Host)?;
    }
    Ok(environment)
}

/// Reads and parses `runtime.env`.
///
/// # Errors
/// A sentence that names the file and the line, never a value.
pub async fn read_env_file(path: &Path) -> Result<RuntimeEnv, String> {
    let named =
        |problem: &dyn std::fmt::Display| format!("RUNTIME_ENV_FILE {}: {problem}", path.display());
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let meta = tokio::fs::metadata(path)
        .await
        .map_err(|error| named(&error))?;
    if !meta.is_file() {
        return Err(named(&"is not a regular file"));
    }
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| named(&error))?;
    let mut bytes = Vec::new();
    file.take(LARGEST_ENV_FILE + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| named(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_ENV_FILE) {
        return Err(named(&"is larger than 1 MiB"));
    }
    RuntimeEnv::parse(&bytes).map_err(|error| named(&error))
}

/// Checks one bind source.
///
/// # Errors
/// A sentence that names the variable and the directory.
pub async fn bind_source(variable: &str, path: &Path) -> Result<(), String> {
    match tokio::fs::metadata(path).await {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(format!("{variable} {} is not a directory", path.display())),
        Err(error) => Err(format!("{variable} {}: {error}", path.display())),
    }
}

/// The last look before the old container is touched: is this an image to run, and what is there to replace?
pub(super) async fn verify(
    context: &Context,
    pulled: &PulledImage,
    platform: &Platform,
) -> Result<Option<Observed>, StepError> {
    if pulled.platform != *platform {
        let (image, engine) = (&pulled.platform, platform);
        return Err(StepError::WrongPlatform(format!(
            "the image is for {}/{} and the Docker engine runs {}/{}",
            image.os, image.architecture, engine.os, engine.architecture
        )));
    }
    immutable(context, pulled)?;
    Ok(context.engine.inspect_name().await?)
}

fn immutable(context: &Context, pulled: &PulledImage) -> Result<(), StepError> {
    if context.environment == Environment::Dev && context.rules.allow_mutable_tags {
        return Ok(());
    }
    match context.trail.ledger_lookup(pulled.reference.as_str()) {
        Some(first) if moved(&first, pulled) => Err(StepError::TagMoved(format!(
            "tag {} is immutable: {} ran under it first, at {}, and it resolves to {} now, at {}",
            pulled.reference.tag().as_str(),
            first.digest.as_ref().unwrap_or(&first.image_id),
            first.first_ran_at,
            pulled.digest,
            crate::clock::now_rfc3339(),
        ))),
        Some(_) | None => Ok(()),
    }
}

/// The digest decides; where none was known, the image itself.
fn moved(first: &LedgerEntry, now: &PulledImage) -> bool {
    match &first.digest {
        Some(digest) => *digest != now.digest,
        None => first.image_id != now.id.as_str(),
    }
}
