//! What systemd hands over, LISTEN_FDS, and what it is told: READY, STATUS, WATCHDOG, STOPPING. Without systemd
//! nothing comes and nothing is sent.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::runtime::{Activity, Conditions};

/// STATUS lines are sent this often at most: a pull reports many times a second.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is looked at when nothing is being done.
const REST_INTERVAL: Duration = Duration::from_secs(4);
/// systemd asks for two within its timeout: one may be late.
const BEATS_PER_TIMEOUT: u32 = 4;
/// How often a drain asks for more time, and for how much.
const EXTENSION_INTERVAL: Duration = Duration::from_secs(5);
const EXTENSION_MICROSECONDS: u32 = 15_000_000;

/// A socket that a socket unit holds, and gives to each process of its service in turn.
#[derive(Debug)]
pub enum HandedOver {
    /// A TCP socket, whatever its address.
    Tcp(TcpListener),
    /// A unix stream socket.
    Unix(UnixListener),
    /// Something else.
    Other,
}

/// Takes what is handed over to this process, each thing once. Call it while there is one thread: the variables that
/// tell of it are removed, so that no child believes them.
#[must_use]
pub fn handed_over() -> Vec<HandedOver> {
    let mut handed = ListenFd::from_env();
    let count = handed.len();
    let each = |index| {
        if let Ok(Some(listener)) = handed.take_tcp_listener(index) {
            HandedOver::Tcp(listener)
        } else if let Ok(Some(listener)) = handed.take_unix_listener(index) {
            HandedOver::Unix(listener)
        } else {
            HandedOver::Other
        }
    };
    (0..count).map(each).collect()
}

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

/// Keeps `systemctl status` up to date until the activity's writer is gone: what is being done, or, when nothing is, what
/// `at_rest` says; the pull that runs beside it; and what is wrong.
pub async fn report(
    mut activity: watch::Receiver<Activity>,
    mut pulling: watch::Receiver<Activity>,
    mut conditions: watch::Receiver<Conditions>,
    at_rest: impl Fn() -> String,
) {
    let mut told = String::new();
    loop {
        let line = {
            let (activity, pulling) = (activity.borrow_and_update(), pulling.borrow_and_update());
            let now = match activity.operation {
                Some(_) => activity.to_string(),
                None => at_rest(),
            };
            let pulling = pulling.operation.as_ref().map(|_| pulling.to_string());
            let wrong = Some(conditions.borrow_and_update().to_string());
            let wrong = wrong.filter(|wrong| !wrong.is_empty());
            let parts = [Some(now), pulling, wrong].into_iter().flatten();
            parts.collect::<Vec<_>>().join("; ")
        };
        if line != told {
            notify(&[NotifyState::Status(&line)]);
            told = line;
        }
        tokio::time::sleep(STATUS_INTERVAL).await;
        tokio::select! {
            changed = activity.changed() => if changed.is_err() { return },
            changed = pulling.changed() => if changed.is_err() { return },
            changed = conditions.changed() => if changed.is_err() { return },
            // What runs changes by itself too.
            () = tokio::time::sleep(REST_INTERVAL) => {}
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn!("systemd could not be notified: {error}");
    }
}
