//! The straight line of a stop, and what a deploy shares with it: clearing the name.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::failure::{Failure, RuntimeState, StepError};
use super::record::{End, predecessor_ended};
use super::run::Run;
use super::{Context, Done, Step};
use crate::engine::{ContainerEvent, EngineError, EventAction, Observed, Vacancy};

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
    let ticket = run.ticket;
    let (ended_at, recorded) = run
        .step(Step::Stop, async {
            let noted = |end: Option<End>, killed_after_grace| {
                let event = predecessor_ended(ticket, &old, end, killed_after_grace);
                (Instant::now(), context.trail.append(event))
            };
            let stopping = context.engine.stop(&old.id, grace, limit);
            stop_and_note(context, &old, &mut events, stopping, noted).await
        })
        .await?;
    if old.may_run() {
        run.facts.down(ended_at);
    }
    // On the disk before the container is gone and cannot be asked any more.
    if let Err(error) = recorded.await {
        log::error!(
            "operation={} the end of container {} is not recorded: {error}",
            ticket.id,
            old.id
        );
    }
    let limit = run.left_but(reserve).min(REMOVE_LIMIT);
    run.step(Step::Remove, async {
        Ok::<_, StepError>(context.engine.remove(&old.id, limit).await?)
    })
    .await
}

/// Stops the old container and hands its end to `noted`, which says whether the grace had passed by then. The engine
/// tells of an end some milliseconds before it answers the stop: the record is on its way to the disk meanwhile.
async fn stop_and_note<T>(
    context: &Context,
    old: &Observed,
    events: &mut Receiver<ContainerEvent>,
    stopping: impl Future<Output = Result<(), EngineError>>,
    noted: impl Fn(Option<End>, bool) -> T,
) -> Result<T, StepError> {
    if !old.may_run() {
        stopping.await?;
        let (exit_code, oom_killed) = (old.exit_code, old.oom_killed);
        let end = End {
            exit_code,
            oom_killed,
        };
        return Ok(noted(Some(end), false));
    }
    let begun = Instant::now();
    let killed = || begun.elapsed() >= context.rules.stop_grace;
    let mut stopping = pin!(stopping);
    let mut died = pin!(died(old, events));
    tokio::select! {
        biased;
        end = &mut died => {
            let recorded = noted(Some(end), killed());
            stopping.await?;
            Ok(recorded)
        }
        stopped = &mut stopping => {
            stopped?;
            let killed = killed();
            let end = match tokio::time::timeout(EVENT_WAIT, died).await {
                Ok(end) => Some(end),
                Err(_) => shown_end(context, old).await,
            };
            Ok(noted(end, killed))
        }
    }
}

/// How the old container ended, by the engine's event. Without the event it never says.
async fn died(old: &Observed, events: &mut Receiver<ContainerEvent>) -> End {
    let mut oom_killed = false;
    loop {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => std::future::pending().await,
        };
        match event.action {
            EventAction::OutOfMemory if event.container == old.id.as_str() => oom_killed = true,
            EventAction::Died {
                exit_code: Some(exit_code),
            } if event.container == old.id.as_str() => {
                return End {
                    exit_code,
                    oom_killed,
                };
            }
            _ => {}
        }
    }
}

/// The same from an inspect: events are hints.
async fn shown_end(context: &Context, old: &Observed) -> Option<End> {
    let shown = context.engine.inspect(&old.id).await.ok().flatten()?;
    Some(End {
        exit_code: shown.exit_code,
        oom_killed: shown.oom_killed,
    })
}
