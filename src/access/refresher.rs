//! The one task that fetches key sets.

use std::time::SystemTime;

use thiserror::Error;
use tokio::time::{sleep, timeout};

use super::fetch::{FetchError, KeySource, fetch};
use super::key_cache::{KeyCache, KeyRefresher};
use super::key_set::{KeySet, KeySetError};

#[derive(Debug, Error)]
enum RefreshError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    KeySet(#[from] KeySetError),
}

impl RefreshError {
    fn explained(&self, source: &KeySource) -> String {
        match self {
            Self::Fetch(error) => error.explained(source),
            Self::KeySet(error) => error.to_string(),
        }
    }
}

/// Fetches the key set at once, then periodically and whenever a request needs it, until dropped. Failures
/// are logged when they begin and when they end, and the last good set stays in use within its validity.
///
/// Cancel-safe: dropping it drops a fetch in flight and nothing else.
pub async fn run_key_refresher(refresher: KeyRefresher) {
    let cache = &refresher.cache;
    let mut failing = false;
    loop {
        cache.started();
        let fetched = refresh(cache).await;
        report(cache, &fetched, failing);
        failing = fetched.is_err();
        cache.finished(fetched.ok());
        let pause = if failing {
            cache.policy.retry
        } else {
            cache.policy.period
        };
        if timeout(pause, cache.asked()).await.is_err() && failing {
            // Also an impatient retry keeps the distance between two fetches.
            sleep(cache.policy.min_gap.saturating_sub(pause)).await;
        }
    }
}

async fn refresh(cache: &KeyCache) -> Result<KeySet, RefreshError> {
    Ok(KeySet::parse(
        &fetch(&cache.source, cache.policy.deadline).await?,
    )?)
}

fn report(cache: &KeyCache, fetched: &Result<KeySet, RefreshError>, failing: bool) {
    let (source, usable) = (&cache.source, cache.usable(SystemTime::now()).is_some());
    match fetched {
        Ok(set) if failing || !usable => {
            log::info!("Access key set: {} keys from {source}", set.len());
        }
        Ok(set) => log::debug!("Access key set: {} keys from {source}", set.len()),
        Err(error) if failing && usable => {
            log::debug!(
                "Access key set from {source} still fails: {}",
                error.explained(source)
            );
        }
        Err(error) => {
            let meanwhile = match usable {
                true => "the last good one stays in use",
                false => "there is none, so every request is denied",
            };
            log::warn!(
                "no Access key set from {source}: {}; {meanwhile}",
                error.explained(source)
            );
        }
    }
}
