//! A pull ahead of a deploy, by the deploy's own rules: it may take longer than an operation, and touches no container.

use std::future::Future;

use super::failure::{Failure, RuntimeState, Step, StepError};
use super::image::acceptable;
use super::preflight::look_ahead;
use super::pull::fetch;
use super::request::Completed;
use super::step::Run;
use crate::domain::ImageReference;

/// Fetches the image and checks what a deploy would. When `cancelled` ends, so does the pull, and the tag stays as it
/// was.
pub(super) async fn pull_ahead(
    run: &mut Run<'_>,
    image: &ImageReference,
    cancelled: impl Future<Output = &'static str>,
) -> Result<Completed, Failure> {
    let mut cancelled = std::pin::pin!(cancelled);
    let deps = run.deps;
    let prepared = run.step(Step::Preflight, look_ahead(deps)).await?;
    let fetching = fetch(run, image, run.left());
    let pulled = run
        .step(Step::Pull, unless(cancelled.as_mut(), fetching))
        .await?;
    run.facts.pulled(&pulled);
    let acceptable = acceptable(run, &pulled, &prepared);
    let acceptable = unless(cancelled, acceptable);
    run.facts.signature = run.step(Step::Verify, acceptable).await?;
    run.facts.state = Some(RuntimeState::Untouched);
    Ok(Completed::Pulled {
        image: image.clone(),
        digest: pulled.digest,
    })
}

async fn unless<T>(
    cancelled: impl Future<Output = &'static str>,
    act: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    tokio::select! {
        biased;
        why = cancelled => Err(StepError::Cancelled(why)),
        done = act => done,
    }
}
