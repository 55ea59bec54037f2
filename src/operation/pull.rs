//! The step that fetches the image, within what the budget leaves; given up in time, with the old container untouched.

use std::future::Future;
use std::time::{Duration, Instant};

use super::failure::StepError;
use super::request::Operation;
use super::step::{Run, Shown};
use crate::credentials::RegistryCredentials;
use crate::domain::{Environment, ImageReference};
use crate::engine::{EngineInfo, PullProgress, PulledImage};

/// The most that reading credentials may take, helpers included.
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(5);
/// A pull's progress is logged this often at most.
const PROGRESS_LOG_INTERVAL: Duration = Duration::from_secs(5);

/// Pulls `image` with the host's own credentials within what the budget of a deploy leaves. Dropping the future cancels
/// the pull.
pub(super) fn pull<'a>(
    run: &Run<'a>,
    image: &'a ImageReference,
    engine: &EngineInfo,
) -> impl Future<Output = Result<PulledImage, StepError>> + use<'a> {
    let limit = run
        .left()
        .saturating_sub(run.deps.limits.reserve_after_pull());
    let environment = run.deps.environment;
    let keeps = engine.keeps_unfinished_pulls;
    let fetching = fetch(run, image, limit);
    async move {
        fetching.await.map_err(|error| match error {
            StepError::OutOfTime { seconds, came } => StepError::OutOfTime {
                seconds,
                came: format!("{came}; {}", advice(keeps, environment, image)),
            },
            error => error,
        })
    }
}

/// Whether it helps to repeat the deploy, and what helps for sure.
fn advice(keeps: bool, environment: Environment, image: &ImageReference) -> String {
    let again = match keeps {
        true => "this engine keeps what has come, and repeating the deploy goes on from there",
        false => "this engine drops what has come, and repeating the deploy begins anew",
    };
    let tag = image.tag().as_str();
    format!(
        "{again}; fetch it ahead on the host, with deploy-agent pull {environment} {tag}, and deploy it then"
    )
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
        last: PullProgress::default(),
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
            Err(_) => Err(StepError::OutOfTime {
                seconds: limit.as_secs(),
                came: report.last.how_far(),
            }),
        }
    }
}

/// Publishes and logs a pull's progress.
struct ProgressReport<'a> {
    shown: Shown<'a>,
    operation: &'a Operation,
    logged: Option<Instant>,
    /// How far it came.
    last: PullProgress,
}

impl ProgressReport<'_> {
    fn take(&mut self, progress: PullProgress) {
        self.last = progress;
        if progress.total == 0 {
            // Nothing to show yet.
            return;
        }
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
