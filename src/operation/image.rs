//! What can be checked between the pull and the stop: whether this image may run, and what holds the name.

use futures_util::future::join;

use super::deps::OperationDeps;
use super::engine_host::room_and_network;
use super::failure::StepError;
use super::host::{none_of, path_problems};
use super::preflight::Prepared;
use super::runnable::image_problems;
use crate::audit::LedgerEntry;
use crate::domain::{Environment, ProcessEnv};
use crate::engine::{Holder, PulledImage};

/// The last checks before the old container is touched: is this an image to run, and what is there to replace?
pub(super) async fn verify(
    deps: &OperationDeps,
    pulled: &PulledImage,
    prepared: &Prepared,
) -> Result<Holder, StepError> {
    let (image, engine) = (&pulled.platform, &prepared.engine.platform);
    if image != engine {
        return Err(StepError::WrongPlatform(format!(
            "the image is for {}/{} and the Docker engine runs {}/{}",
            image.os, image.architecture, engine.os, engine.architecture
        )));
    }
    runnable(deps, pulled, prepared)?;
    immutable(deps, pulled)?;
    // A pull takes long.
    let paths = path_problems(&deps.runtime.env_file, &deps.host_paths);
    let engine = room_and_network(&deps.engine, &deps.runtime, &prepared.engine);
    let (mut problems, engine) = join(paths, engine).await;
    problems.extend(engine?);
    none_of(&problems)?;
    Ok(deps.engine.holder().await?)
}

/// What the process would really get, and whether the engine could run it: the image's own variables are under those of
/// `runtime.env`.
fn runnable(
    deps: &OperationDeps,
    pulled: &PulledImage,
    prepared: &Prepared,
) -> Result<(), StepError> {
    let config = &pulled.config;
    let process = ProcessEnv::new(&config.env, &prepared.environment);
    let problems = image_problems(config, &process, &deps.limits, &prepared.engine);
    if !problems.is_empty() {
        return Err(StepError::Image(problems.join("; ")));
    }
    let planes = &deps.runtime.allowed_planes;
    let allowed = planes.check(process.get("EXECUTION_PLANE"));
    allowed.map_err(|error| StepError::Host(error.to_string()))
}

fn immutable(deps: &OperationDeps, pulled: &PulledImage) -> Result<(), StepError> {
    if deps.environment == Environment::Dev && deps.limits.allow_mutable_tags {
        return Ok(());
    }
    match deps.trail.ledger_lookup(pulled.reference.as_str()) {
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
