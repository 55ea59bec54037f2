//! Freeze and thaw: whether deploys are held. Neither touches the container, and neither waits for an operation.

use time::OffsetDateTime;

use super::failure::{Failure, FailureKind, RuntimeState};
use super::request::Completed;
use super::step::Run;
use crate::audit::TrailError;
use crate::freeze::{Freeze, Frozen};

/// Holds deploys from now on, those that wait among them. A deploy that has begun ends.
pub(super) async fn freeze(run: &mut Run<'_>, freeze: &Freeze) -> Result<Completed, Failure> {
    run.facts.state = Some(RuntimeState::Untouched);
    let (held, by) = (&run.deps.freeze, run.operation.requester.name());
    let gate = held.gate().await;
    let replaced = held.frozen(OffsetDateTime::now_utc());
    let written = held.write(&gate, freeze, by, &run.operation.id);
    written.map_err(|error| failed(run, &error))?;
    Ok(Completed::Frozen {
        freeze: freeze.clone(),
        replaced,
    })
}

/// Takes deploys again; not frozen is as good.
pub(super) async fn thaw(run: &mut Run<'_>) -> Result<Completed, Failure> {
    run.facts.state = Some(RuntimeState::Untouched);
    let held = &run.deps.freeze;
    let gate = held.gate().await;
    let removed = held.remove(&gate);
    removed.map_err(|error| failed(run, &error))?;
    Ok(Completed::Thawed)
}

/// The disk refused: what holds now, the file tells.
fn failed(run: &Run<'_>, error: &TrailError) -> Failure {
    let now = match run.deps.freeze.frozen(OffsetDateTime::now_utc()) {
        Some(frozen) => frozen.to_string(),
        None => "deploys are not frozen".to_owned(),
    };
    let reason = format!("{error}; {now}");
    Failure::before_start(FailureKind::Host, reason)
}

/// The failure of a deploy that is held.
pub(super) fn held(frozen: &Frozen) -> Failure {
    Failure::before_start(FailureKind::Frozen, format!("not started: {frozen}"))
}
