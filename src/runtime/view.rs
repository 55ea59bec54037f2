//! What is known of the container, and since when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::ContainerName;
use crate::engine::Observed;

/// The contract's status reply.
#[derive(Serialize)]
struct StatusBody<'a> {
    container_name: &'a str,
    running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<&'a str>,
}

/// What an inspect has shown, as the reply it stands for.
#[derive(Debug)]
struct Snapshot {
    observed_at: Instant,
    observed_at_utc: OffsetDateTime,
    observed: Option<Observed>,
    body: Bytes,
    /// Something was done to the container since, and no inspect has shown what came of it.
    invalidated: bool,
}

/// The read side of the view: cheap to clone, never blocks.
#[derive(Clone)]
pub struct RuntimeView {
    newest: Arc<ArcSwapOption<Snapshot>>,
    max_age: Duration,
}

/// What the view holds, for whoever tells of it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What the last inspect showed; none if there was no container.
    pub observed: Option<Observed>,
    /// When that was.
    pub at: OffsetDateTime,
    /// How long ago, whatever the host's clock says.
    pub age: Duration,
    /// Whether it is served: it is not too old, and nothing was done to the container since.
    pub fresh: bool,
}

/// The write side; there is one.
pub struct ViewPublisher {
    name: ContainerName,
    view: RuntimeView,
}

/// Why the view is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleView {
    /// When the container was last seen, RFC 3339; none if it never was.
    pub last_seen: Option<String>,
}

/// Makes both sides of a view.
#[must_use]
pub fn view(name: ContainerName, max_age: Duration) -> (ViewPublisher, RuntimeView) {
    let view = RuntimeView {
        newest: Arc::new(ArcSwapOption::empty()),
        max_age,
    };
    (
        ViewPublisher {
            name,
            view: view.clone(),
        },
        view,
    )
}

impl RuntimeView {
    /// The serialised status reply.
    ///
    /// # Errors
    /// The container was not seen within the bound, or never.
    pub fn status_body(&self) -> Result<Bytes, StaleView> {
        let snapshot = self.newest.load();
        match snapshot.as_deref() {
            Some(known) if !known.invalidated && known.observed_at.elapsed() <= self.max_age => {
                Ok(known.body.clone())
            }
            Some(known) => Err(StaleView {
                last_seen: known.observed_at_utc.format(&Rfc3339).ok(),
            }),
            None => Err(StaleView { last_seen: None }),
        }
    }

    /// What was seen last; none if the engine never showed anything.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        let snapshot = self.newest.load_full()?;
        let age = snapshot.observed_at.elapsed();
        Some(Seen {
            observed: snapshot.observed.clone(),
            at: snapshot.observed_at_utc,
            age,
            fresh: !snapshot.invalidated && age <= self.max_age,
        })
    }
}

impl ViewPublisher {
    /// Publishes what an inspect has just shown.
    pub fn publish(&self, observed: Option<Observed>) {
        let up = observed.as_ref().filter(|observed| observed.is_kept_up());
        let body = StatusBody {
            container_name: self.name.as_str(),
            running: up.is_some(),
            image: up.map(|up| up.image.as_str()),
            started_at: up.and_then(|up| up.started_at.as_deref()),
        };
        let body = serde_json::to_vec(&body)
            .expect("a struct of strings and a bool always serialises")
            .into();
        let observed_at_utc = OffsetDateTime::now_utc();
        self.view.newest.store(Some(Arc::new(Snapshot {
            observed_at: Instant::now(),
            observed_at_utc,
            observed,
            body,
            invalidated: false,
        })));
    }

    /// What was published is no longer true, and what is true is not known.
    pub fn invalidate(&self) {
        if let Some(known) = self.view.newest.load_full() {
            self.view.newest.store(Some(Arc::new(Snapshot {
                invalidated: true,
                body: known.body.clone(),
                observed: known.observed.clone(),
                ..*known
            })));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Environment;

    fn pair(max_age: Duration) -> (ViewPublisher, RuntimeView) {
        view(
            ContainerName::parse("x-dev", Environment::Dev).expect("valid"),
            max_age,
        )
    }

    #[test]
    fn a_container_never_seen_is_not_called_absent() {
        let (_publisher, view) = pair(Duration::from_secs(15));
        assert_eq!(view.status_body(), Err(StaleView { last_seen: None }));
    }

    #[test]
    fn an_absent_container_is_not_running_and_has_no_image() {
        let (publisher, view) = pair(Duration::from_secs(15));
        publisher.publish(None);
        let body = view.status_body().expect("fresh");
        assert_eq!(&*body, br#"{"container_name":"x-dev","running":false}"#);
    }

    #[test]
    fn an_invalidated_view_is_not_served_until_the_next_inspect() {
        let (publisher, view) = pair(Duration::from_secs(15));
        publisher.publish(None);
        publisher.invalidate();
        assert!(
            view.status_body()
                .expect_err("invalidated")
                .last_seen
                .is_some()
        );
        publisher.publish(None);
        assert!(view.status_body().is_ok());
    }

    #[test]
    fn a_view_past_its_bound_is_not_served_and_says_since_when() {
        let (publisher, view) = pair(Duration::ZERO);
        publisher.publish(None);
        std::thread::sleep(Duration::from_millis(2));
        assert!(view.status_body().expect_err("stale").last_seen.is_some());
    }
}
