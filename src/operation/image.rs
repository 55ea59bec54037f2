//! What can be checked between the pull and the stop: whether this image may run, and what holds the name.

use std::future::Future;

use futures_util::future::join;

use super::deps::OperationDeps;
use super::engine_host::room_and_network;
use super::failure::StepError;
use super::host::{none_of, path_problems};
use super::preflight::Prepared;
use super::record;
use super::runnable::image_problems;
use super::signature;
use super::step::Run;
use crate::audit::{LedgerEntry, SignatureRecord};
use crate::domain::{Environment, ProcessEnv};
use crate::engine::{Holder, Observed, Platform, PulledImage};

/// What is known of a pulled image that may run.
pub(super) struct Verified {
    /// What holds the name.
    pub(super) holder: Holder,
    /// Who signed it; none if nobody asked.
    pub(super) signature: Option<SignatureRecord>,
}

/// The last checks before the old container is touched: is this an image to run, and what is there to replace? Then the
/// tag is bound to its digest, on the disk, because from here on it may run whatever becomes of this operation.
pub(super) fn verify<'a>(
    run: &Run<'a>,
    pulled: &'a PulledImage,
    prepared: &'a Prepared,
) -> impl Future<Output = Result<Verified, StepError>> + use<'a> {
    let (deps, operation) = (run.deps, run.operation);
    let acceptable = acceptable(run, pulled, prepared);
    async move {
        let signature = acceptable.await?;
        let holder = deps.engine.holder().await?;
        let old = match &holder {
            Holder::Container(old) => Some(&**old),
            Holder::Nobody(_) => None,
        };
        deps.ledger.admit_over(old).await?;
        immutable(deps, pulled, old)?;
        // A pull takes long.
        unchanged(deps, prepared).await?;
        let bound = deps.trail.append(record::tag_ran(operation, pulled));
        bound.await?;
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
    of_platform(pulled, &prepared.engine.platform)?;
    runnable(deps, pulled, prepared)?;
    immutable(deps, pulled, None)
}

fn of_platform(pulled: &PulledImage, platform: &Platform) -> Result<(), StepError> {
    if pulled.platform == *platform {
        return Ok(());
    }
    let (image, engine) = (&pulled.platform, platform);
    Err(StepError::WrongPlatform(format!(
        "the image is for {}/{} and the Docker engine runs {}/{}",
        image.os, image.architecture, engine.os, engine.architecture
    )))
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

fn immutable(
    deps: &OperationDeps,
    pulled: &PulledImage,
    old: Option<&Observed>,
) -> Result<(), StepError> {
    if deps.environment == Environment::Dev && deps.limits.allow_mutable_tags {
        return Ok(());
    }
    let moved_from = |before: &str, at: &str| {
        StepError::TagMoved(format!(
            "tag {} is immutable: {before} was deployed under it first, at {at}, and it resolves to {} now, at {}",
            pulled.reference.tag().as_str(),
            pulled.digest,
            crate::clock::now_rfc3339(),
        ))
    };
    match deps.trail.ledger_lookup(pulled.reference.as_str()) {
        Some(first) if moved(&first, pulled) => {
            let before = first.digest.as_ref().unwrap_or(&first.image_id);
            return Err(moved_from(before, &first.first_ran_at));
        }
        Some(_) | None => {}
    }
    // The container counts as well, whatever the ledger says: it may have lost the tag, or never have known it.
    match old.filter(|old| old.is_made_of(&pulled.reference)) {
        Some(old) if old.is_another_image_than(pulled) => {
            let before = old.digest.as_deref().unwrap_or(old.image_id.as_str());
            let started = old.started_at.as_deref().unwrap_or("an unknown time");
            Err(moved_from(
                &format!("{before}, of the runtime container,"),
                started,
            ))
        }
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
