//! The last good key set, and how a request asks for a newer one.
//!
//! One task fetches ([`super::run_key_refresher`]); requests only ever read, and wake it. So there is
//! never more than one fetch under way, a client that leaves cancels none, and a flood of made-up key ids
//! causes no more fetches than one in each [`RefreshPolicy::min_gap`]. Nor can such a flood hide a real
//! rotation: every fetch brings all keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::fetch::KeySource;
use super::key_set::KeySet;

/// How often keys are fetched and how long they are good for. The default is for Cloudflare's endpoint.
#[derive(Debug, Clone, Copy)]
pub struct RefreshPolicy {
    /// Between two fetches when nothing is wrong. Keys rotate every six weeks, or when someone says so.
    pub period: Duration,
    /// After a failure. Not shorter than `min_gap`.
    pub retry: Duration,
    /// Between the starts of two fetches, whatever requests ask for.
    pub min_gap: Duration,
    /// For one fetch, from the look-up of the name to the last byte.
    pub deadline: Duration,
    /// How long a request waits for the fetch that it caused.
    pub request_timeout: Duration,
    /// How long a set is good without being confirmed. Cloudflare accepts a replaced key for seven days,
    /// so within them every key of the set is one that Cloudflare itself could still stand for.
    pub validity: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(60 * 60),
            retry: Duration::from_secs(60),
            min_gap: Duration::from_secs(30),
            deadline: Duration::from_secs(10),
            request_timeout: Duration::from_secs(3),
            validity: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

/// A set and when it was last confirmed.
#[derive(Debug)]
pub(crate) struct Confirmed {
    pub(crate) set: KeySet,
    at: SystemTime,
}

/// What the refresher has done so far.
#[derive(Debug, Clone, Copy, Default)]
struct Attempts {
    last_start: Option<Instant>,
    finished: u64,
    running: bool,
}

/// The shared state between requests and the refresher.
#[derive(Debug)]
pub(crate) struct KeyCache {
    pub(crate) source: KeySource,
    pub(crate) policy: RefreshPolicy,
    current: ArcSwapOption<Confirmed>,
    attempts: watch::Sender<Attempts>,
    wake: Notify,
    taken: AtomicBool,
}

/// The right to renew the key set, given out once; see [`super::run_key_refresher`].
#[derive(Debug)]
pub struct KeyRefresher {
    pub(crate) cache: Arc<KeyCache>,
}

impl KeyCache {
    pub(crate) fn new(source: KeySource, policy: RefreshPolicy) -> Self {
        Self {
            source,
            policy,
            current: ArcSwapOption::empty(),
            attempts: watch::Sender::default(),
            wake: Notify::new(),
            taken: AtomicBool::new(false),
        }
    }

    /// The refresher for the first caller; two of them could fetch at the same time.
    pub(crate) fn refresher(self: &Arc<Self>) -> Option<KeyRefresher> {
        let first = !self.taken.swap(true, Ordering::Relaxed);
        first.then(|| KeyRefresher {
            cache: Arc::clone(self),
        })
    }

    /// The last good set, while it is valid. Takes no lock.
    pub(crate) fn usable(&self, now: SystemTime) -> Option<Arc<Confirmed>> {
        // A clock that was set back makes a set young, never invalid: the times in tokens rest on the
        // same clock, and denying everybody would not make it any more right.
        let age = |confirmed: &Confirmed| now.duration_since(confirmed.at).unwrap_or_default();
        self.current
            .load_full()
            .filter(|confirmed| age(confirmed) <= self.policy.validity)
    }

    /// Has the set fetched again and waits for it within bounds; returns at once when that was done only
    /// just now. Whether anything new came is for the caller to check.
    ///
    /// Cancel-safe: only the waiting ends.
    pub(crate) async fn ask_again(&self) {
        let mut attempts = self.attempts.subscribe();
        let seen = *attempts.borrow_and_update();
        let recent = |start: Instant| start.elapsed() < self.policy.min_gap;
        if !seen.running && seen.last_start.is_some_and(recent) {
            return;
        }
        self.wake.notify_one();
        let next = attempts.wait_for(|attempts| attempts.finished > seen.finished);
        // In time or not: the caller checks against the set either way.
        drop(tokio::time::timeout(self.policy.request_timeout, next).await);
    }

    /// Waits until a request asks for keys and a fetch is allowed. A wake-up that comes too early is
    /// dropped: its request did not wait for it either.
    pub(crate) async fn asked(&self) {
        loop {
            self.wake.notified().await;
            let recent = |start: Instant| start.elapsed() < self.policy.min_gap;
            if !self.attempts.borrow().last_start.is_some_and(recent) {
                return;
            }
        }
    }

    pub(crate) fn started(&self) {
        self.attempts.send_modify(|attempts| {
            attempts.last_start = Some(Instant::now());
            attempts.running = true;
        });
    }

    /// Keeps a good set; without one the last good set stays as it is.
    pub(crate) fn finished(&self, set: Option<KeySet>) {
        if let Some(set) = set {
            self.current.store(Some(Arc::new(Confirmed {
                set,
                at: SystemTime::now(),
            })));
        }
        self.attempts.send_modify(|attempts| {
            attempts.finished += 1;
            attempts.running = false;
        });
    }
}
