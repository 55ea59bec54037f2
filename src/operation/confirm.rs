//! Confirming a start: a 204 of the engine does not mean that the process lives.

use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::deps::OperationDeps;
use super::failure::{RuntimeState, StepError};
use crate::engine::{
    ContainerEvent, ContainerId, ContainerStatus, EventAction, Health, Observed, PulledImage,
};
use crate::settings::{Confirm, RestartPolicy};

/// Health is also asked for, because its events may be lost.
const HEALTH_POLL: Duration = Duration::from_secs(1);

/// On a busy host the event of an end comes after an inspect that shows the restart behind it.
const EVENTS_LATE: Duration = Duration::from_secs(5);

/// SIGINT, SIGQUIT, SIGTERM: what asks a process to end.
const ENDING: [&str; 3] = ["2", "3", "15"];

/// What the window has shown so far.
#[derive(Default)]
struct Watch {
    clean_exits: i64,
    /// How it ended otherwise.
    failed_with: Option<i64>,
    /// Somebody sent it a signal to end.
    asked_to_end: bool,
}

/// What comes next.
enum Next {
    /// The next event.
    Wait,
    /// An inspect: something may have changed.
    Inspect,
}

/// Watches the new container for the confirmation window, then inspects it once.
pub(super) async fn confirm(
    deps: &OperationDeps,
    id: &ContainerId,
    pulled: &PulledImage,
    events: &mut Receiver<ContainerEvent>,
) -> Result<RuntimeState, StepError> {
    let end = Instant::now() + deps.limits.start_confirmation;
    let healthy_asked =
        deps.limits.confirm == Confirm::Healthy && pulled.config.health_check.is_some();
    let mut watch = Watch::default();
    loop {
        let pause = if healthy_asked {
            end.min(Instant::now() + HEALTH_POLL)
        } else {
            end
        };
        let next = match timeout_at(pause, events.recv()).await {
            Ok(Ok(event)) if event.container == id.as_str() => watch.take(event.action),
            Ok(Ok(_)) | Ok(Err(RecvError::Lagged(_))) => Next::Wait,
            // Without a watcher there are no events; the inspect at the end decides.
            Ok(Err(RecvError::Closed)) => {
                tokio::time::sleep_until(pause).await;
                Next::Inspect
            }
            Err(_) => Next::Inspect,
        };
        if let Next::Wait = next {
            continue;
        }
        let last = Instant::now() >= end;
        let observed = look(deps, id).await?;
        watch.catch_up(&observed, events).await;
        let policy = deps.runtime.restart_policy;
        let healthy = judge(&observed, pulled, &watch, policy)?;
        let good = if observed.may_run() {
            RuntimeState::NewRunning
        } else {
            RuntimeState::NewExited
        };
        let exited = observed.status == ContainerStatus::Exited;
        match (healthy_asked, last) {
            (true, _) if healthy == Some(Health::Healthy) => return Ok(good),
            (true, _) if healthy == Some(Health::Unhealthy) => {
                return Err(not_started("the new container is unhealthy"));
            }
            (true, true) => {
                return Err(not_started(
                    "the new container did not become healthy inside START_CONFIRMATION_SECONDS",
                ));
            }
            (false, true) => return Ok(good),
            // A clean end that nothing will follow needs no more watching.
            (false, false) if exited && policy == RestartPolicy::No => {
                return Ok(good);
            }
            (_, false) => {}
        }
    }
}

impl Watch {
    /// Whether an inspect shows a restart, and no event has told how the end before it was.
    fn misses_an_end(&self, observed: &Observed) -> bool {
        observed.status == ContainerStatus::Running
            && observed.restart_count > self.clean_exits
            && self.failed_with.is_none()
    }

    /// Takes the events that an inspect was ahead of, as long as they may be on their way.
    async fn catch_up(&mut self, observed: &Observed, events: &mut Receiver<ContainerEvent>) {
        let end = Instant::now() + EVENTS_LATE;
        while self.misses_an_end(observed) {
            match timeout_at(end, events.recv()).await {
                Ok(Ok(event)) if event.container == observed.id.as_str() => {
                    self.take(event.action);
                }
                Ok(Ok(_)) | Ok(Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) | Err(_) => return,
            }
        }
    }

    fn take(&mut self, action: EventAction) -> Next {
        match action {
            EventAction::Died { exit_code: Some(0) } => {
                self.clean_exits += 1;
                Next::Inspect
            }
            EventAction::Died { exit_code } => {
                self.failed_with = exit_code;
                Next::Inspect
            }
            EventAction::HealthChanged => Next::Inspect,
            EventAction::Signalled { signal } => {
                self.asked_to_end |= signal.is_some_and(|signal| ENDING.contains(&signal.as_str()));
                Next::Wait
            }
            // A start is followed by what it comes to.
            EventAction::Created
            | EventAction::Started
            | EventAction::Stopped
            | EventAction::Restarted
            | EventAction::OutOfMemory
            | EventAction::Removed
            | EventAction::Renamed { .. }
            | EventAction::Paused
            | EventAction::Unpaused
            | EventAction::Updated => Next::Wait,
        }
    }
}

fn not_started(message: &str) -> StepError {
    StepError::NotStarted(message.to_owned())
}

/// The new container, if it still has its name; what became of it otherwise is asked by its id.
async fn look(deps: &OperationDeps, id: &ContainerId) -> Result<Observed, StepError> {
    let named = deps.engine.inspect_name().await?;
    let other = match named {
        Some(observed) if observed.id == *id => return Ok(observed),
        other => other,
    };
    let is_there = deps.engine.inspect(id).await?.is_some();
    Err(not_started(match (is_there, other.is_some()) {
        (true, _) => "somebody else gave the new container another name",
        (false, true) => {
            "the new container was removed by somebody else, and another container took its name"
        }
        (false, false) => "the new container was removed by somebody else",
    }))
}

/// Whether what is observed can still be a start. Exit 0 is one; running after an exit that was not seen to be 0 is none,
/// nor is an end that somebody else asked for.
fn judge(
    observed: &Observed,
    pulled: &PulledImage,
    watch: &Watch,
    policy: RestartPolicy,
) -> Result<Option<Health>, StepError> {
    if observed.image_id != pulled.id {
        return Err(not_started(
            "the new container runs another image than the one that was pulled",
        ));
    }
    match observed.status {
        ContainerStatus::Running if observed.restart_count > watch.clean_exits => {
            // It runs again: only the event has told how it ended.
            let ended = watch
                .failed_with
                .map(|code| format!(", it exited with code {code}"));
            Err(StepError::NotStarted(format!(
                "the new container was restarted {} times{}",
                observed.restart_count,
                ended.unwrap_or_default()
            )))
        }
        ContainerStatus::Running => Ok(observed.health),
        ContainerStatus::Restarting | ContainerStatus::Exited if observed.oom_killed => Err(
            not_started("the new container was killed for want of memory"),
        ),
        ContainerStatus::Restarting | ContainerStatus::Exited if observed.exit_code != 0 => {
            Err(StepError::NotStarted(format!(
                "the new container exited with code {}",
                observed.exit_code
            )))
        }
        // These policies bring back what ends by itself, and leave what was stopped by hand.
        ContainerStatus::Exited
            if watch.asked_to_end
                || matches!(policy, RestartPolicy::Always | RestartPolicy::UnlessStopped) =>
        {
            Err(not_started(
                "the new container was stopped by somebody else",
            ))
        }
        ContainerStatus::Restarting | ContainerStatus::Exited => Ok(None),
        ContainerStatus::Created => Err(not_started("the new container never ran")),
        ContainerStatus::Paused => {
            Err(not_started("the new container was paused by somebody else"))
        }
        ContainerStatus::Removing | ContainerStatus::Dead => Err(not_started(
            "the new container is being removed by somebody else",
        )),
    }
}
