//! Operations that an earlier life of the agent left without an outcome.

use super::failure::RuntimeState;
use crate::audit::{Event, Opened, OperationInterrupted, TagRan, Trail};
use crate::engine::{ContainerStatus, Engine, Observed};

/// Closes what an earlier life of the agent left open, with what the engine shows now. Nothing is resumed.
pub async fn record_interrupted(trail: &Trail, engine: &Engine, opened: &Opened) {
    if opened.unfinished.is_empty() {
        return;
    }
    let observed = engine.inspect_name().await;
    for left in &opened.unfinished {
        let state = match &observed {
            Ok(observed) => RuntimeState::of(observed.as_ref(), &left.operation, None),
            Err(_) => RuntimeState::Unknown,
        };
        let observed = observed.as_ref().ok().and_then(Option::as_ref);
        log::warn!(
            "operation={} {} was interrupted; {}; nothing is resumed",
            left.operation,
            left.kind,
            state.clause()
        );
        if let Some(observed) = observed
            && let Some(bound) = tag_bound(trail, observed, &left.operation)
            && let Err(error) = trail.append_or_owe(bound, false).await
        {
            log::error!(
                "operation={} its tag could not be bound in the audit trail yet: {error}",
                left.operation
            );
        }
        let event = Event::OperationInterrupted(OperationInterrupted {
            operation: left.operation.clone(),
            kind: left.kind.clone(),
            last_step: left.last_step.clone(),
            state,
            container_id: observed.map(|observed| observed.id.as_str().to_owned()),
            up_since: observed
                .filter(|observed| observed.status == ContainerStatus::Running)
                .and_then(|observed| observed.started_at.clone()),
            image: observed.map(|observed| observed.image.clone()),
        });
        if let Err(error) = trail.append_or_owe(event, false).await {
            log::error!(
                "operation={} could not be closed in the audit trail yet: {error}",
                left.operation
            );
        }
    }
}

/// The tag of a container that the interrupted operation has started, unless the ledger knows it already.
fn tag_bound(trail: &Trail, observed: &Observed, operation: &str) -> Option<Event> {
    let its_own = observed.operation.as_deref() == Some(operation);
    if !its_own || observed.started_at.is_none() || trail.ledger_lookup(&observed.image).is_some() {
        return None;
    }
    Some(Event::TagRan(TagRan {
        operation: operation.to_owned(),
        reference: observed.image.clone(),
        digest: observed.digest.clone(),
        image_id: observed.image_id.as_str().to_owned(),
    }))
}
