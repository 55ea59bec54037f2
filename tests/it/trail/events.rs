//! The events that the tests of the trail write.

use deploy_agent::audit::*;

pub fn started(operation: &str) -> Event {
    Event::OperationStarted(OperationStarted {
        operation: operation.to_owned(),
        kind: OperationKind::Deploy,
        requester: Requester {
            client_id: Some("ci.access".to_owned()),
            ..Requester::default()
        },
        image: Some("ghcr.io/ceerkle/dreichor-trading/runtime:v1".to_owned()),
        environment_asked: Some("dev".to_owned()),
        environment: "dev".to_owned(),
        freeze: None,
        queue_wait_ms: 3,
        settings: None,
    })
}

pub fn step(operation: &str, step: &'static str) -> Event {
    Event::StepStarted(StepStarted {
        operation: operation.to_owned(),
        step,
        image: None,
    })
}

pub fn stepped(operation: &str, step: &'static str, outcome: Outcome) -> Event {
    Event::StepEnded(StepEnded {
        operation: operation.to_owned(),
        step,
        outcome,
        duration_ms: 5,
        detail: None,
    })
}

/// What the record of an end says, for a test to change.
pub fn ended(operation: &str, outcome: Outcome) -> OperationEnded {
    let failed = outcome != Outcome::Succeeded;
    OperationEnded {
        operation: operation.to_owned(),
        kind: OperationKind::Deploy,
        outcome,
        http: if failed { 500 } else { 200 },
        failed_step: failed.then_some("start"),
        reason: failed.then(|| "the container did not start".to_owned()),
        state: RuntimeState::NewRunning,
        image: Some("ghcr.io/ceerkle/dreichor-trading/runtime:v1".to_owned()),
        digest: Some(format!("sha256:{}", "ab".repeat(32))),
        image_id: Some(format!("sha256:{}", "cd".repeat(32))),
        signature: None,
        container_id: Some("e".repeat(64)),
        duration_ms: 2500,
        claimed_by_image: None,
        down_since: None,
        up_since: None,
        downtime_ms: Some(1200),
        runtime_env: None,
        image_variables: Vec::new(),
        container_settings: None,
    }
}

pub fn end(operation: &str, outcome: Outcome) -> Event {
    Event::OperationEnded(Box::new(ended(operation, outcome)))
}

/// What a later life says of an operation without an outcome.
pub fn interrupted(operation: &str, state: RuntimeState, image: Option<&str>) -> Event {
    Event::OperationInterrupted(OperationInterrupted {
        operation: operation.to_owned(),
        kind: "deploy".to_owned(),
        last_step: Some("stop".to_owned()),
        state,
        up_since: None,
        container_id: None,
        image: image.map(str::to_owned),
    })
}

/// A tag ran, with a digest that shows which.
pub fn tag_ran(operation: &str, reference: &str, image_id: &str) -> Event {
    Event::TagRan(TagRan {
        operation: operation.to_owned(),
        reference: reference.to_owned(),
        digest: Some(format!("sha256:of-{image_id}")),
        image_id: image_id.to_owned(),
    })
}

/// An operator acknowledges everything up to this record.
pub fn acknowledged(through_seq: u64, doubts: Vec<Doubt>) -> Event {
    Event::LedgerAcknowledged(LedgerAcknowledged {
        reason: "seen".to_owned(),
        user: 0,
        through_seq,
        doubts,
    })
}

/// The container is of an operation that the trail does not know.
pub fn doubted(operation: &str) -> Event {
    Event::LedgerDoubted(LedgerDoubted {
        container_id: "c".repeat(64),
        container_operation: operation.to_owned(),
        image: "r:v1".to_owned(),
    })
}

/// The records of a whole deploy of this reference.
pub fn deploy(operation: &str, reference: &str) -> Vec<Event> {
    vec![
        started(operation),
        step(operation, "pull"),
        tag_ran(operation, reference, "one"),
        end(operation, Outcome::Succeeded),
    ]
}

/// A request that was turned away for this reason.
pub fn rejection(reason: &str) -> Rejection {
    Rejection {
        http: 422,
        request: "POST /v1/deploy".to_owned(),
        reason: reason.to_owned(),
        ..Rejection::default()
    }
}
