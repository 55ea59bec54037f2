//! Confirming a start: a 204 of the engine does not mean that the process lives.

use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::Context;
use super::failure::{RuntimeState, StepError};
use crate::engine::{
    ContainerEvent, ContainerId, ContainerStatus, EventAction, Health, Observed, PulledImage,
};
use crate::settings::{Confirm, RestartPolicy};

/// Health is also asked for, because its events may be lost.
const HEALTH_POLL: Duration = Duration::from_secs(1);

/// What the window has shown so far.
#[derive(Default)]
struct Watch {
    clean_exits: i64,
    /// How it ended otherwise.
    failed_with: Option<i64>,
}

/// What an event means to the watch.
enum Verdict {
    Watch,
    Look,
}

/// Watches the new container for the confirmation window, then inspects it once.
pub(super) async fn confirm(
    context: &Context,
    id: &ContainerId,
    pulled: &PulledImage,
    events: &mut Receiver<ContainerEvent>,
) -> Result<RuntimeState, StepError> {
    let end = Instant::now() + context.rules.start_confirmation;
    let healthy_asked = context.rules.confirm == Confirm::Healthy && pulled.has_healthcheck;
    let mut watch = Watch::default();
    loop {
        let pause = if healthy_asked {
            end.min(Instant::now() + HEALTH_POLL)
        } else {
            end
        };
        let verdict = match timeout_at(pause, events.recv()).await {
            Ok(Ok(event)) if event.container == id.as_str() => watch.take(event.action),
            Ok(Ok(_)) | Ok(Err(RecvError::Lagged(_))) => Verdict::Watch,
            // Without a watcher there are no events; the look at the end decides.
            Ok(Err(RecvError::Closed)) => {
                tokio::time::sleep_until(pause).await;
                Verdict::Look
            }
            Err(_) => Verdict::Look,
        };
        if let Verdict::Watch = verdict {
            continue;
        }
        let last = Instant::now() >= end;
        let shown = context.engine.inspect_name().await?;
        let healthy = judge(shown.as_ref(), id, pulled, &watch)?;
        let up = shown.as_ref().is_some_and(Observed::may_run);
        let good = if up {
            RuntimeState::NewRunning
        } else {
            RuntimeState::NewExited
        };
        let exited = shown
            .as_ref()
            .is_some_and(|shown| shown.status == ContainerStatus::Exited);
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
            (false, false) if exited && context.runtime.restart_policy == RestartPolicy::No => {
                return Ok(good);
            }
            (_, false) => {}
        }
    }
}

impl Watch {
    fn take(&mut self, action: EventAction) -> Verdict {
        match action {
            EventAction::Died { exit_code: Some(0) } => {
                self.clean_exits += 1;
                Verdict::Look
            }
            EventAction::Died { exit_code } => {
                self.failed_with = exit_code;
                Verdict::Look
            }
            EventAction::HealthChanged => Verdict::Look,
            EventAction::Started | EventAction::OutOfMemory | EventAction::Other => Verdict::Watch,
        }
    }
}

fn not_started(message: &str) -> StepError {
    StepError::NotStarted(message.to_owned())
}

/// Whether what is shown can still be a start. Exit 0 is one; running after an exit that was not seen to be 0 is none.
fn judge(
    shown: Option<&Observed>,
    id: &ContainerId,
    pulled: &PulledImage,
    watch: &Watch,
) -> Result<Option<Health>, StepError> {
    let Some(shown) = shown else {
        return Err(not_started(
            "the new container was removed by somebody else",
        ));
    };
    if shown.id != *id {
        return Err(not_started(
            "another container took the name of the new one",
        ));
    }
    if shown.image_id != pulled.id {
        return Err(not_started(
            "the new container runs another image than the one that was pulled",
        ));
    }
    match shown.status {
        ContainerStatus::Running if shown.restart_count > watch.clean_exits => {
            // It runs again: only the event has told how it ended.
            let ended = watch
                .failed_with
                .map(|code| format!(", it exited with code {code}"));
            Err(StepError::NotStarted(format!(
                "the new container was restarted {} times{}",
                shown.restart_count,
                ended.unwrap_or_default()
            )))
        }
        ContainerStatus::Running => Ok(shown.health),
        ContainerStatus::Restarting | ContainerStatus::Exited if shown.oom_killed => Err(
            not_started("the new container was killed for want of memory"),
        ),
        ContainerStatus::Restarting | ContainerStatus::Exited if shown.exit_code != 0 => {
            Err(StepError::NotStarted(format!(
                "the new container exited with code {}",
                shown.exit_code
            )))
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
