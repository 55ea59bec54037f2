//! Pinned service tokens.

/// Pairs.
#[derive(Debug)]
pub(crate) struct PinnedTokens {}
