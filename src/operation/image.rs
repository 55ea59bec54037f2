//! What can be checked between the pull and the stop: whether this image may run, and what holds the name.

use super::deps::OperationDeps;
use super::failure::StepError;
use super::paths::still_apart;
use crate::audit::LedgerEntry;
use crate::domain::Environment;
use crate::engine::{Holder, Platform, PulledImage};

/// The last checks before the old container is touched: is this an image to run, and what is there to replace?
pub(super) async fn verify(
    deps: &OperationDeps,
    pulled: &PulledImage,
    platform: &Platform,
) -> Result<Holder, StepError> {
    acceptable(deps, pulled, platform)?;
    // A pull takes long.
    still_apart(deps).await?;
    Ok(deps.engine.holder().await?)
}

/// Whether a deploy of this image would be accepted: what holds of a pull ahead of one too.
pub(super) fn acceptable(
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
