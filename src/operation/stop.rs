//! The straight line of a stop, and what a deploy shares with it: clearing the name.

use std::time::Duration;

use tokio::sync::broadcast::Receiver;

use super::failure::{Failure, RuntimeState, StepError};
use super::record::End;
use super::run::Run;
use super::{Context, Done, Step};
use crate::engine::{ContainerEvent, EventAction, Observed, Vacancy};

/// The engine sends the event of an end at about the time it answers the stop.
const EVENT_WAIT: Duration = Duration::from_millis(100);
/// The most a removal may take.
const REMOVE_LIMIT: Duration = Duration::from_secs(10);

/// Stops and removes the container; without one there is nothing to do.
pub(super) async fn stop(run: &mut Run<'_>) -> Result<Done, Failure> {
    let context = run.context;
    let old = run
        .step(Step::Preflight, async {
            Ok(context.engine.inspect_name().await?)
        })
        .await?;
    clear(run, old, Duration::ZERO).await?;
    run.facts.state = Some(RuntimeState::Nothing);
    Ok(Done::Stopped)
}

/// Stops and removes what holds the name, and proves that it is free. `reserve` is kept for the steps to come.
pub(super) async fn clear(
    run: &mut Run<'_>,
    old: Option<Observed>,
    reserve: Duration,
) -> Result<Vacancy, Failure> {
    let context = run.context;
    let Some(old) = old else {
        return Ok(context
            .engine
            .vacancy(None)
            .expect("a vacancy follows from an absent container"));
    };
    run.touch();
    let mut events = context.watcher.subscribe();
    let (grace, limit) = (context.rules.stop_grace, run.left_but(reserve));
    let begun = std::time::Instant::now();
    run.step(Step::Stop, async {
        Ok(context.engine.stop(&old.id, grace, limit).await?)
    })
    .await?;
    let killed_after_grace = old.may_run() && begun.elapsed() >= grace;
    if old.may_run() {
        run.facts.down();
    }
    let end = end_of(context, &old, &mut events).await;
    run.predecessor_ended(&old, end, killed_after_grace).await;
    let limit = run.left_but(reserve).min(REMOVE_LIMIT);
    run.step(Step::Remove, async {
        Ok::<_, StepError>(context.engine.remove(&old.id, limit).await?)
    })
    .await
}

/// How the old container ended: from the event that the watcher has already, else from an inspect.
async fn end_of(
    context: &Context,
    old: &Observed,
    events: &mut Receiver<ContainerEvent>,
) -> Option<End> {
    if !old.may_run() {
        return Some(End {
            exit_code: old.exit_code,
            oom_killed: old.oom_killed,
        });
    }
    let died = async {
        let mut oom_killed = false;
        while let Ok(event) = events.recv().await {
            match event.action {
                EventAction::OutOfMemory if event.container == old.id.as_str() => oom_killed = true,
                EventAction::Died {
                    exit_code: Some(exit_code),
                } if event.container == old.id.as_str() => {
                    return Some(End {
                        exit_code,
                        oom_killed,
                    });
                }
                _ => {}
            }
        }
        None
    };
    match tokio::time::timeout(EVENT_WAIT, died).await {
        Ok(Some(end)) => Some(end),
        Ok(None) | Err(_) => {
            let shown = context.engine.inspect(&old.id).await.ok().flatten()?;
            Some(End {
                exit_code: shown.exit_code,
                oom_killed: shown.oom_killed,
            })
        }
    }
}
