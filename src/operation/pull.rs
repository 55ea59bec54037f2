//! The step that fetches the image, within what the budget leaves; given up in time, with the old container untouched.

use std::future::Future;
use std::time::{Duration, Instant};

use super::failure::StepError;
use super::request::Operation;
use super::step::{Run, Shown};
use crate::credentials::RegistryCredentials;
use crate::domain::ImageReference;
use crate::engine::{PullProgress, PulledImage};

/// The most that reading credentials may take, helpers included.
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(5);
/// A pull's progress is logged this often at most.
const PROGRESS_LOG_INTERVAL: Duration = Duration::from_secs(5);

/// Pulls `image` with the host's own credentials within what the budget of a deploy leaves. Dropping the future cancels
/// the pull.
pub(super) fn pull<'a>(
    run: &Run<'a>,
    image: &'a ImageReference,
) -> impl Future<Output = Result<PulledImage, StepError>> + use<'a> {
    let limit = run
        .left()
        .saturating_sub(run.deps.limits.reserve_after_pull());
    fetch(run, image, limit)
}

/// The same within this time.
pub(super) fn fetch<'a>(
    run: &Run<'a>,
    image: &'a ImageReference,
    limit: Duration,
) -> impl Future<Output = Result<PulledImage, StepError>> + use<'a> {
    let deps = run.deps;
    let mut report = ProgressReport {
        shown: run.shown,
        operation: run.operation,
        logged: None,
    };
    async move {
        let (config, host) = (deps.docker_config.as_deref(), image.repository().host());
        let auth = RegistryCredentials::load(config, host, CREDENTIALS_LIMIT)
            .await
            .map_err(|error| StepError::Host(error.to_string()))?;
        let pulling = deps
            .engine
            .pull(image, auth, |progress| report.take(progress));
        match tokio::time::timeout(limit, pulling).await {
            Ok(pulled) => Ok(pulled?),
            Err(_) => Err(StepError::OutOfTime(limit.as_secs())),
        }
    }
}

/// Publishes and logs a pull's progress.
struct ProgressReport<'a> {
    shown: Shown<'a>,
    operation: &'a Operation,
    logged: Option<Instant>,
}

impl ProgressReport<'_> {
    fn take(&mut self, progress: PullProgress) {
        self.shown
            .publish(|activity| activity.progress = Some(progress));
        let due = |logged: Instant| logged.elapsed() >= PROGRESS_LOG_INTERVAL;
        if self.logged.is_none_or(due) {
            self.logged = Some(Instant::now());
            let (id, title) = (&self.operation.id, self.operation.title());
            log::info!("operation={id} {title}: pulling {progress}");
        }
    }
}
