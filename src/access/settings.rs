//! The settings of the checks: read once, every problem told at once.

use super::fetch::KeySource;
use super::pinned::PinnedTokens;

/// A setting and what is wrong with it. The message never repeats the value: a secret pasted into the
/// wrong line must not end up in the journal.
pub type Problem = (&'static str, String);

/// Which checks are on. `Debug` shows no hash.
#[derive(Debug)]
pub struct AccessSettings {
    pub(crate) pinned: Option<PinnedTokens>,
    pub(crate) assertion: Option<AssertionSettings>,
    pub(crate) headers_required: bool,
}

/// What an assertion must say, and where its keys come from.
#[derive(Debug)]
pub(crate) struct AssertionSettings {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: KeySource,
}

impl AccessSettings {
    /// Reads `CF_ACCESS_…` through `lookup`.
    ///
    /// # Errors
    /// All problems at once, each with its variable.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        todo!("{:?}", lookup("X"))
    }

    /// Nothing but the presence of the two headers is checked, so any local process can pass.
    pub fn presence_only(&self) -> bool {
        self.pinned.is_none() && self.assertion.is_none()
    }

    /// The lines that mend [`AccessSettings::presence_only`], for the start log.
    pub fn mending_lines() -> &'static str {
        "CF_ACCESS_CLIENT_ID=<client id> and CF_ACCESS_CLIENT_SECRET_SHA256=<output of `deploy-agent hash-secret`>"
    }

    /// One line for the start log: which checks are on.
    pub fn describe(&self) -> String {
        todo!()
    }
}
