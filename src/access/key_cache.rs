//! The last good key set and the one task that renews it.

use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct KeyCache {}

/// The right to renew the key set; see [`run_key_refresher`].
#[derive(Debug)]
pub struct KeyRefresher {
    cache: Arc<KeyCache>,
}

/// Fetches the key set at once, then periodically and whenever a request needs it, until dropped.
///
/// Cancel-safe: dropping it drops a fetch in flight and nothing else.
pub async fn run_key_refresher(refresher: KeyRefresher) {
    todo!("{refresher:?} {:?}", refresher.cache)
}
