//! What can be checked between the pull and the stop: whether this image may run, and what holds the name.

use std::future::Future;

use super::deps::OperationDeps;
use super::failure::StepError;
use super::paths::still_apart;
use super::signature;
use super::step::Run;
use crate::audit::{LedgerEntry, SignatureRecord};
use crate::domain::Environment;
use crate::engine::{Holder, Platform, PulledImage};

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
    platform: &'a Platform,
) -> impl Future<Output = Result<Verified, StepError>> + use<'a> {
    let deps = run.deps;
    let acceptable = acceptable(run, pulled, platform);
    async move {
        let signature = acceptable.await?;
        // A pull takes long.
        still_apart(deps).await?;
        let holder = deps.engine.holder().await?;
        Ok(Verified { holder, signature })
    }
}

/// Whether a deploy of this image would be accepted, and who signed it: what holds of a pull ahead of one too.
pub(super) fn acceptable<'a>(
    run: &Run<'a>,
    pulled: &'a PulledImage,
    platform: &'a Platform,
) -> impl Future<Output = Result<Option<SignatureRecord>, StepError>> + use<'a> {
    let (deps, id) = (run.deps, &run.operation.id);
    let limit = signature::limit(run);
    async move {
        may_run(deps, pulled, platform)?;
        signature::signed(deps, id, pulled, limit).await
    }
}

fn may_run(
    deps: &OperationDeps,
    pulled: &PulledImage,
    platform: &Platform,
) -> Result<(), StepError> {
    if pulled.platform != *platform {
        let (image, engine) = (&pulled.platform, platform);
        return Err(StepError::WrongPlatform(format!(
            "the image is for {}/{} and the Docker engine runs {}/{}",
            image.os, image.architecture, engine.os, engine.architecture
        )));
    }
    immutable(deps, pulled)
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
