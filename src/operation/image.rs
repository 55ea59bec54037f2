//! What can be checked between the pull and the stop: whether this image may run, and what holds the name.

use std::future::Future;

use futures_util::future::join;

use super::deps::OperationDeps;
use super::engine_host::room_and_network;
use super::failure::StepError;
use super::host::{none_of, path_problems};
use super::preflight::Prepared;
use super::runnable::image_problems;
use super::signature;
use super::step::Run;
use crate::audit::{LedgerEntry, SignatureRecord};
use crate::domain::{Environment, ProcessEnv};
use crate::engine::{Holder, PulledImage};

/// What is known of a pulled image that may run.
pub(super) struct Verified {
    /// What holds the name.
    pub(super) holder: Holder,
    /// Who signed it; none if nobody asked.
    pub(super) signature: Option<SignatureRecord>,
}

/// The last checks before the old container is touched: is this an image to run, and what is there to replace?
pub(super) fn verify<'a>(
    run: &Run<'a>,
    pulled: &'a PulledImage,
    prepared: &'a Prepared,
) -> impl Future<Output = Result<Verified, StepError>> + use<'a> {
    let deps = run.deps;
    let acceptable = acceptable(run, pulled, prepared);
    async move {
        let signature = acceptable.await?;
        // A pull takes long.
        unchanged(deps, prepared).await?;
        let holder = deps.engine.holder().await?;
        Ok(Verified { holder, signature })
    }
}

/// Whether a deploy of this image would be accepted, and who signed it: what holds of a pull ahead of one too.
pub(super) fn acceptable<'a>(
    run: &Run<'a>,
    pulled: &'a PulledImage,
    prepared: &'a Prepared,
) -> impl Future<Output = Result<Option<SignatureRecord>, StepError>> + use<'a> {
    let (deps, id) = (run.deps, &run.operation.id);
    let limit = signature::limit(run);
    async move {
        may_run(deps, pulled, prepared)?;
        signature::signed(deps, id, pulled, limit).await
    }
}

/// What of this host and of the engine may be otherwise by now.
async fn unchanged(deps: &OperationDeps, prepared: &Prepared) -> Result<(), StepError> {
    let paths = path_problems(&deps.runtime.env_file, &deps.host_paths);
    let engine = room_and_network(&deps.engine, &deps.runtime, &prepared.engine);
    let (mut problems, engine) = join(paths, engine).await;
    problems.extend(engine?);
    none_of(&problems)
}

fn may_run(
    deps: &OperationDeps,
    pulled: &PulledImage,
    prepared: &Prepared,
) -> Result<(), StepError> {
    let (image, engine) = (&pulled.platform, &prepared.engine.platform);
    if image != engine {
        return Err(StepError::WrongPlatform(format!(
            "the image is for {}/{} and the Docker engine runs {}/{}",
            image.os, image.architecture, engine.os, engine.architecture
        )));
    }
    runnable(deps, pulled, prepared)?;
    immutable(deps, pulled)
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
