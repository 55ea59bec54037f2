//! What systemd is told: READY, STATUS, WATCHDOG, STOPPING. Without systemd nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::runtime::Activity;

/// STATUS lines are sent this often at most: a pull reports many times a second.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// systemd asks for two within its timeout: one may be late.
const BEATS_PER_TIMEOUT: u32 = 4;
/// How often a drain asks for more time, and for how much.
const EXTENSION_INTERVAL: Duration = Duration::from_secs(5);
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
            every: sd_notify::watchdog_enabled().map(|timeout| timeout / BEATS_PER_TIMEOUT),
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
        tokio::time::sleep(EXTENSION_INTERVAL).await;
    }
}

/// Keeps `systemctl status` up to date until the activity's writer is gone.
pub async fn report(mut activity: watch::Receiver<Activity>) {
    loop {
        let line = activity.borrow_and_update().to_string();
        notify(&[NotifyState::Status(&line)]);
        tokio::time::sleep(STATUS_INTERVAL).await;
        if activity.changed().await.is_err() {
            return;
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn!("systemd could not be notified: {error}");
    }
}
