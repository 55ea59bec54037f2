//! A stop: preflight, stop, remove; and the two steps that a deploy shares with it.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::deps::OperationDeps;
use super::failure::{Failure, RuntimeState, Step, StepError};
use super::record::{self, End};
use super::request::Completed;
use super::step::Run;
use crate::engine::{ContainerEvent, EventAction, Holder, Observed, Vacancy};

/// The engine tells of an end some milliseconds before it answers the stop.
const EVENT_WAIT: Duration = Duration::from_millis(100);
/// The exit code of a process that SIGKILL ended.
const KILLED: i64 = 137;
/// The most a removal may take.
const REMOVE_LIMIT: Duration = Duration::from_secs(10);

/// Stops and removes the container; without one there is nothing to do.
pub(super) async fn stop(run: &mut Run<'_>) -> Result<Completed, Failure> {
    let deps = run.deps;
    let holder = run
        .step(Step::Preflight, async { Ok(deps.engine.holder().await?) })
        .await?;
    if let Holder::Container(old) = holder {
        run.touch(Some(&old.id)).await;
        warn_of_foreign(run, &old);
        let end = run
            .step(Step::Stop, stop_old(run, &old, Duration::ZERO))
            .await?;
        record_end(run, &old, end).await;
        run.step(Step::Remove, remove(run, &old, Duration::ZERO))
            .await?;
    }
    run.facts.state = Some(RuntimeState::Nothing);
    Ok(Completed::Stopped)
}

/// Stops `old`, and tells how it ended. `reserve` is kept for the steps to come.
pub(super) fn stop_old<'a, 'o>(
    run: &Run<'a>,
    old: &'o Observed,
    reserve: Duration,
) -> impl Future<Output = Result<End, StepError>> + use<'a, 'o> {
    let deps = run.deps;
    let (grace, limit) = (deps.limits.stop_grace, run.left_but(reserve));
    let mut events = deps.watcher.subscribe();
    async move {
        let begun = Instant::now();
        deps.engine.stop(&old.id, grace, limit).await?;
        let at = Instant::now();
        let ran = old.may_run();
        let known = match ran {
            true => exit_of(deps, old, &mut events).await,
            false => Some(Exit::of(old)),
        };
        let took = if ran {
            at.duration_since(begun)
        } else {
            Duration::ZERO
        };
        let exit_code = known.as_ref().map(|exit| exit.code);
        Ok(End {
            at,
            exit_code,
            oom_killed: known.is_some_and(|exit| exit.oom_killed),
            killed_after_grace: ran && is_of_the_grace(took, grace, exit_code),
            took,
        })
    }
}

/// Whether SIGKILL behind the grace ended it: nothing else ends a process so late and so. What the kernel kills for memory
/// ends before; a process that ends by itself at the last moment has another code.
fn is_of_the_grace(took: Duration, grace: Duration, exit_code: Option<i64>) -> bool {
    took >= grace && exit_code.is_none_or(|code| code == KILLED)
}

/// How a process ended.
struct Exit {
    code: i64,
    oom_killed: bool,
}

impl Exit {
    fn of(observed: &Observed) -> Self {
        Self {
            code: observed.exit_code,
            oom_killed: observed.oom_killed,
        }
    }
}

/// How `old` ended: the engine's event has told it by the time the stop is answered. Events are hints: without one the
/// container is asked, and what that cannot tell is no failure, because it must not keep the new one from starting.
async fn exit_of(
    deps: &OperationDeps,
    old: &Observed,
    events: &mut Receiver<ContainerEvent>,
) -> Option<Exit> {
    match tokio::time::timeout(EVENT_WAIT, died(old, events)).await {
        Ok(Some(exit)) => Some(exit),
        Ok(None) | Err(_) => {
            let observed = deps.engine.inspect(&old.id).await.ok().flatten()?;
            Some(Exit::of(&observed))
        }
    }
}

/// Waits for the event; none once there is no watcher. Cancel-safe.
async fn died(old: &Observed, events: &mut Receiver<ContainerEvent>) -> Option<Exit> {
    let mut oom_killed = false;
    loop {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return None,
        };
        match event.action {
            _ if event.container != old.id.as_str() => {}
            EventAction::OutOfMemory => oom_killed = true,
            EventAction::Died {
                exit_code: Some(code),
            } => return Some(Exit { code, oom_killed }),
            EventAction::Died { exit_code: None } => return None,
            _ => {}
        }
    }
}

/// Says that what is replaced or stopped was made by somebody else; its record says so too.
pub(super) fn warn_of_foreign(run: &Run<'_>, old: &Observed) {
    if old.operation.is_none() {
        log::warn!(
            "operation={} container {} of {} was not made by this agent",
            run.operation.id,
            old.id,
            old.image
        );
    }
}

/// Records how `old` ended: on the disk before it is gone and cannot be asked any more.
pub(super) async fn record_end(run: &mut Run<'_>, old: &Observed, end: End) {
    if old.may_run() {
        run.facts.down(end.at);
    }
    if end.killed_after_grace {
        log::warn!(
            "operation={} container {} did not end on SIGTERM and was killed after {:.1} s, the whole of STOP_GRACE_SECONDS",
            run.operation.id,
            old.id,
            end.took.as_secs_f32()
        );
    }
    let event = record::predecessor_ended(run.operation, old, &end);
    if let Err(error) = run.recorded(event).await {
        log::error!(
            "operation={} the end of container {} is not recorded: {error}",
            run.operation.id,
            old.id
        );
    }
}

/// Removes `old`, and proves that the name is free.
pub(super) fn remove<'a, 'o>(
    run: &Run<'a>,
    old: &'o Observed,
    reserve: Duration,
) -> impl Future<Output = Result<Vacancy, StepError>> + use<'a, 'o> {
    let deps = run.deps;
    let limit = run.left_but(reserve).min(REMOVE_LIMIT);
    async move { Ok(deps.engine.remove(&old.id, limit).await?) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_behind_the_grace_is_told_from_one_for_memory_and_from_a_late_end() {
        let seconds = Duration::from_secs;
        for (took, exit_code, of_the_grace) in [
            (10, Some(137), true),
            (11, None, true),
            (4, Some(137), false),
            (10, Some(0), false),
            (10, Some(143), false),
        ] {
            let found = is_of_the_grace(seconds(took), seconds(10), exit_code);
            assert_eq!(found, of_the_grace, "{took} s, {exit_code:?}");
        }
    }
}
