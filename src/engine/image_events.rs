//! Who pulled what a moment ago, as far as the engine's events tell.

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::TryStreamExt;
use time::{Duration, OffsetDateTime};

use super::error::EngineError;
use super::{Engine, ask};
use crate::domain::Repository;

/// A pull of our repository that succeeded, whoever asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullEvent {
    /// `repository:tag`, the repository as the settings spell it.
    pub reference: String,
    /// When, by the engine's clock.
    pub at: OffsetDateTime,
}

impl Engine {
    /// The pulls of `repository` within this time, also of images that were there already. The engine remembers some
    /// hundred events, and none across its restart.
    ///
    /// # Errors
    /// As for every question to the engine.
    pub async fn pulls_within(
        &self,
        repository: &Repository,
        time: Duration,
    ) -> Result<Vec<PullEvent>, EngineError> {
        let now = OffsetDateTime::now_utc();
        let filters = [
            ("type".to_owned(), vec!["image".to_owned()]),
            ("event".to_owned(), vec!["pull".to_owned()]),
        ];
        let options = EventsOptions {
            since: Some(unix(now - time)),
            until: Some(unix(now)),
            filters: Some(filters.into()),
        };
        let told = ask(self.client()?.events(Some(options)).try_collect()).await?;
        let told: Vec<EventMessage> = told;
        let pulls = told.into_iter().filter_map(|event| pull(event, repository));
        Ok(pulls.collect())
    }
}

/// Seconds and their fraction, as the engine reads them.
fn unix(at: OffsetDateTime) -> String {
    format!("{}.{:09}", at.unix_timestamp(), at.nanosecond())
}

fn pull(event: EventMessage, repository: &Repository) -> Option<PullEvent> {
    let name = event.actor?.id?;
    let tag = name
        .strip_prefix(repository.familiar())
        .and_then(|rest| rest.strip_prefix(':'))?;
    let nanos = i128::from(event.time_nano?);
    Some(PullEvent {
        reference: format!("{}:{tag}", repository.as_str()),
        at: OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?,
    })
}
