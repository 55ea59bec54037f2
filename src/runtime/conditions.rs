//! What is wrong and stays so until somebody acts.

use std::fmt;

use tokio::sync::watch;

/// What is wrong and stays so until somebody acts: shown behind the activity by systemd. `Display` is empty when
/// nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Why the ledger of tags is doubted.
    pub ledger: Option<String>,
    /// Why the audit trail cannot be written.
    pub trail: Option<String>,
}

/// Makes both sides of the conditions.
#[must_use]
pub fn conditions() -> (watch::Sender<Conditions>, watch::Receiver<Conditions>) {
    watch::channel(Conditions::default())
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ledger, trail } = self;
        let trail = trail
            .as_ref()
            .map(|why| format!("the audit trail cannot be written, deploys are refused: {why}"));
        let all: Vec<&str> = [trail.as_deref(), ledger.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        f.write_str(&all.join("; "))
    }
}
