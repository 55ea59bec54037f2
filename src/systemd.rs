//! What systemd is told: READY, STATUS, WATCHDOG, STOPPING. Without systemd nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::operation::pulling;
use crate::view::Activity;

/// STATUS lines are sent this often at most: a pull reports many times a second.
const STATUS_PACE: Duration = Duration::from_secs(1);
/// systemd asks for two: one may be late.
const BEATS_WITHIN_PATIENCE: u32 = 4;
/// How often a drain asks for more time, and for how much.
const EXTENSION_PACE: Duration = Duration::from_secs(5);
const EXTENSION_MICROSECONDS: u32 = 15_000_000;

/// Feeds systemd's watchdog. Only the actor's own loop holds one.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    every: Option<Duration>,
}

impl Heartbeat {
    /// Beats only if this process is watched (`WATCHDOG_USEC`).
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            every: sd_notify::watchdog_enabled().map(|patience| patience / BEATS_WITHIN_PATIENCE),
        }
    }

    /// How often to beat; nobody asks for it if this process is not watched.
    #[must_use]
    pub fn every(&self) -> Option<Duration> {
        self.every
    }

    /// One beat.
    pub fn beat(&self) {
        notify(&[NotifyState::Watchdog]);
    }
}

/// The agent listens.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// The agent drains; runs until dropped, asking for the time it needs.
pub async fn stopping() -> ! {
    notify(&[NotifyState::Stopping]);
    loop {
        notify(&[NotifyState::ExtendTimeoutUsec(EXTENSION_MICROSECONDS)]);
        tokio::time::sleep(EXTENSION_PACE).await;
    }
}

/// Keeps `systemctl status` up to date until the activity's writer is gone.
pub async fn report(mut activity: watch::Receiver<Activity>) {
    loop {
        let line = status_line(&activity.borrow_and_update());
        notify(&[NotifyState::Status(&line)]);
        tokio::time::sleep(STATUS_PACE).await;
        if activity.changed().await.is_err() {
            return;
        }
    }
}

/// `deploy 1.0.1: pulling 43 %, 120 of 280 MB`.
fn status_line(activity: &Activity) -> String {
    match (&activity.operation, activity.step, activity.progress) {
        (Some(operation), _, Some(progress)) => format!("{operation}: {}", pulling(progress)),
        (Some(operation), Some(step), None) => format!("{operation}: {step}"),
        (Some(operation), None, None) => operation.clone(),
        (None, _, _) => "idle".to_owned(),
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn!("systemd could not be notified: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::PullProgress;

    #[test]
    fn the_status_line_tells_step_and_progress() {
        let mut activity = Activity {
            operation: Some("deploy 1.0.1".into()),
            step: Some("pull"),
            progress: None,
        };
        assert_eq!(status_line(&activity), "deploy 1.0.1: pull");
        activity.progress = Some(PullProgress {
            current: 120_000_000,
            total: 280_000_000,
        });
        assert_eq!(
            status_line(&activity),
            "deploy 1.0.1: pulling 42 %, 120 of 280 MB"
        );
        assert_eq!(status_line(&Activity::default()), "idle");
    }
}
