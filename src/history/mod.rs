//! `deploy-agent history`: what ran when, who asked, what failed, was it the same image.

use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

use time::OffsetDateTime;

/// What to show.
#[derive(Debug, Clone, Default)]
pub struct HistoryOptions {
    /// A state directory, a copy of one, or a single file of a trail.
    pub path: PathBuf,
    /// One JSON object an operation and line, and no summary.
    pub json: bool,
    /// Only operations that began at or after this.
    pub since: Option<Since>,
    /// Only operations that did not succeed.
    pub failed: bool,
    /// Also requests that were turned away.
    pub rejected: bool,
    /// Go on showing operations as they end, until `out` is closed. Without a summary.
    pub follow: bool,
    /// At most the newest so many.
    pub limit: Option<usize>,
    /// Columns of the terminal; `None` when `out` is none, and nothing is left out.
    pub width: Option<usize>,
    /// Whether to colour outcomes.
    pub colour: bool,
}

/// A point in time, from RFC 3339 (`2025-01-31T12:00:00Z`, or a date) or an age (`90m`, `2h`, `3d`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since(pub OffsetDateTime);

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Err(format!("`{text}` is neither a time nor an age"))
    }
}

/// Shows the operations of the trail at `options.path`, newest last, then a summary.
/// Works beside a running agent and takes no lock. Blocks; with `follow`, for ever.
///
/// # Errors
/// The trail cannot be read, or `out` cannot be written (with `follow`, that is the usual end).
pub fn history(_options: &HistoryOptions, _out: &mut impl Write) -> io::Result<()> {
    Ok(())
}
