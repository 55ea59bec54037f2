//! Every operation: it begins, runs, ends, and is recorded.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join;
use time::OffsetDateTime;

use super::deps::OperationDeps;
use super::failure::{Failure, FailureKind, RuntimeState};
use super::request::{Completed, Ended, Operation, Request};
use super::step::{Run, recorded_for_stop};
use super::{ahead, deploy, hold, prune, record, stop};
use crate::audit::{Anchor, TrailError};
use crate::runtime::Activity;

/// Runs an admitted operation to its end and records it. Not cancel-safe: the actor owns it, whatever its client does.
/// `cancelled` ends with why a pull ahead or a prune is no longer wanted; a deploy and a stop never heed it.
///
/// A failure says at which step it came and what state the runtime is in.
pub async fn perform(
    deps: &OperationDeps,
    operation: &Operation,
    cancelled: impl Future<Output = &'static str>,
) -> Ended {
    log::info!(
        "operation={} {} begins, asked by {}",
        operation.id,
        operation.title(),
        operation.requester.name()
    );
    let running = operation.is_on_the_runtime().then(|| deps.admission.run());
    let mut run = Run::new(deps, operation);
    let result = match begin(deps, operation, run.left()).await {
        Err(failure) => Err(failure),
        Ok(()) => match &operation.request {
            Request::Deploy { image } => deploy::deploy(&mut run, image).await,
            Request::Stop => stop::stop(&mut run).await,
            Request::Pull { image } => ahead::pull_ahead(&mut run, image, cancelled).await,
            Request::Prune { keep } => prune::prune(&mut run, *keep, cancelled).await,
            Request::Freeze(freeze) => hold::freeze(&mut run, freeze).await,
            Request::Thaw => hold::thaw(&mut run).await,
        },
    };
    let ended = if operation.is_on_the_runtime() {
        // Before the answer, so that a status asked after it shows this operation.
        let refreshed = deps.watcher.refresh(run.has_touched());
        join(end(&run, result), refreshed).await.0
    } else {
        end(&run, result).await
    };
    run.shown
        .publish(|activity| *activity = Activity::default());
    drop(running);
    ended
}

/// Records an admitted operation that never began.
pub async fn not_started(deps: &OperationDeps, operation: &Operation, failure: Failure) -> Ended {
    log::warn!("operation={} {} {failure}", operation.id, operation.title());
    let recorded = record_refused(deps, operation, &failure).await;
    if let Err(error) = &recorded {
        log::error!("operation={} is not recorded: {error}", operation.id);
    }
    Ended {
        operation: Some(operation.id.clone()),
        audit_head: recorded.ok(),
        result: Err(failure),
    }
}

/// Records both ends of an operation that never began. On a full disk the room that is set aside is not for them.
async fn record_refused(
    deps: &OperationDeps,
    operation: &Operation,
    failure: &Failure,
) -> Result<Anchor, TrailError> {
    let started = record::operation_started(deps, operation);
    let started = deps.trail.append_to_spare(started);
    let ended = record::operation_ended(operation, &Err(failure.clone()), None);
    let ended = deps.trail.append_to_spare(ended);
    started.await.and(ended.await)
}

/// Records the intent. Nothing is started that cannot be recorded, that is held by a freeze, or that cannot end in the
/// time that is left. A stop starts nothing: whatever the disk does, it is carried out.
async fn begin(deps: &OperationDeps, operation: &Operation, left: Duration) -> Result<(), Failure> {
    // Held to the end of this function: no freeze takes effect between the question and the record.
    let gate = match &operation.request {
        Request::Deploy { .. } => Some(deps.freeze.gate().await),
        Request::Stop
        | Request::Pull { .. }
        | Request::Prune { .. }
        | Request::Freeze(_)
        | Request::Thaw => None,
    };
    record_intent(deps, operation).await?;
    if gate.is_some()
        && let Some(frozen) = deps.freeze.frozen(OffsetDateTime::now_utc())
    {
        return Err(hold::held(&frozen));
    }
    let least = deps.least_time(&operation.request);
    if left >= least {
        return Ok(());
    }
    let waited = operation.arrived.elapsed().as_secs();
    let reason = format!(
        "not started: it waited {waited} s behind other operations and {} s are needed, {} s are left",
        least.as_secs(),
        left.as_secs()
    );
    Err(Failure::before_start(FailureKind::Deadline, reason))
}

/// Not only this record must find room, but also the outcome.
async fn record_intent(deps: &OperationDeps, operation: &Operation) -> Result<(), Failure> {
    let started = || record::operation_started(deps, operation);
    if operation.is_stop() {
        if let Err(error) = recorded_for_stop(&deps.trail, started()).await {
            log::error!(
                "operation={} the stop is not recorded, and carried out all the same: {error}",
                operation.id
            );
        }
        return Ok(());
    }
    let recorded = match deps.trail.probe().await {
        Ok(()) => deps.trail.append(started()).await.map(drop),
        refused => refused,
    };
    recorded.map_err(|error| {
        let reason = format!("nothing was started: the audit trail cannot be written: {error}");
        Failure::before_start(FailureKind::Trail, reason)
    })
}

/// Records the outcome.
async fn end(run: &Run<'_>, result: Result<Completed, Failure>) -> Ended {
    let operation = run.operation;
    let (id, title) = (&operation.id, operation.title());
    match &result {
        Ok(_) => log::info!(
            "operation={id} {title} succeeded after {} ms",
            operation.arrived.elapsed().as_millis()
        ),
        Err(failure) => log::error!("operation={id} {title} failed: {failure}"),
    }
    let (audit_head, result) = match record_outcome(run, &result).await {
        Ok(anchor) => {
            log::info!("operation={id} audit head {anchor}");
            (Some(anchor), result)
        }
        Err(error) => {
            log::error!("operation={id} the outcome could not be recorded: {error}");
            let state = run.facts.state.unwrap_or(RuntimeState::Unknown);
            let unrecorded = |_| Err(unrecorded(operation, &error.to_string(), state));
            (None, result.and_then(unrecorded))
        }
    };
    Ended {
        operation: Some(id.clone()),
        audit_head,
        result,
    }
}

async fn record_outcome(
    run: &Run<'_>,
    result: &Result<Completed, Failure>,
) -> Result<Anchor, TrailError> {
    let (deps, operation) = (run.deps, run.operation);
    match result {
        Err(failure) if failure.kind == FailureKind::Trail && failure.step.is_none() => {
            record_refused(deps, operation, failure).await
        }
        _ => {
            let event = record::operation_ended(operation, result, Some(&run.facts));
            run.recorded(event).await
        }
    }
}

/// It happened, but there is no record of it: an auditable agent does not call that a success.
fn unrecorded(operation: &Operation, error: &str, state: RuntimeState) -> Failure {
    let later = match operation.is_stop() {
        true => "; it is recorded as soon as that can be written",
        false => "",
    };
    let reason = format!(
        "{} took effect, but its outcome could not be recorded in the audit trail: {error}{later}; {}",
        operation.title(),
        state.clause()
    );
    Failure {
        kind: FailureKind::Trail,
        step: None,
        reason,
        state,
        unknown: false,
    }
}
