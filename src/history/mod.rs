//! `deploy-agent history`: what ran when, who asked, what failed, was it the same image.

mod reader;
mod story;
mod table;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use reader::Reader;
use story::{Stories, Story};
use table::{Table, summary};

/// How often a followed trail is looked at again.
const FOLLOW_PACE: Duration = Duration::from_millis(250);

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
        let wrong = || {
            format!(
                "`{text}` is neither a time (2025-01-31T12:00:00Z, 2025-01-31) nor an age (90m, 2h, 3d)"
            )
        };
        let whole = match text.len() {
            10 => format!("{text}T00:00:00Z"),
            _ => text.to_owned(),
        };
        if let Ok(time) = OffsetDateTime::parse(&whole, &Rfc3339) {
            return Ok(Self(time));
        }
        let unit = text.chars().last().ok_or_else(wrong)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return Err(wrong()),
        };
        let number: i64 = text[..text.len() - 1]
            .parse()
            .ok()
            .filter(|n| *n >= 0)
            .ok_or_else(wrong)?;
        let age = number.checked_mul(seconds).map(time::Duration::seconds);
        let since = age.and_then(|age| OffsetDateTime::now_utc().checked_sub(age));
        since.map(Self).ok_or_else(wrong)
    }
}

/// Shows the operations of the trail at `options.path`, newest last, then a summary.
/// Works beside a running agent and takes no lock. Blocks; with `follow`, for ever.
///
/// # Errors
/// The trail cannot be read, or `out` cannot be written (with `follow`, that is the usual end).
pub fn history(options: &HistoryOptions, out: &mut impl Write) -> io::Result<()> {
    let mut stories = Stories::default();
    let mut shown = VecDeque::new();
    let mut reader = Reader::open(&options.path)?;
    while let Some(record) = reader.next()? {
        shown.extend(stories.take(&record).filter(|story| options.wants(story)));
        if let Some(limit) = options.limit {
            let surplus = shown.len().saturating_sub(limit);
            shown.drain(..surplus);
        }
    }
    // What has no outcome yet: it runs now, or the agent was killed and has not been started since.
    shown.extend(stories.open().filter(|story| options.wants(story)));
    let table = Table::new(options);
    if !options.json {
        table.head(out)?;
    }
    for story in &shown {
        table.row(story, out)?;
    }
    if !options.follow {
        return if options.json {
            Ok(())
        } else {
            summary(&shown, out)
        };
    }
    out.flush()?;
    loop {
        while let Some(record) = reader.next()? {
            for story in stories.take(&record).filter(|story| options.wants(story)) {
                table.row(&story, out)?;
            }
            out.flush()?;
        }
        std::thread::sleep(FOLLOW_PACE);
        reader.reopen_if_rotated()?;
    }
}

impl HistoryOptions {
    fn wants(&self, story: &Story) -> bool {
        let turned_away = story.kind == "rejected";
        (!turned_away || self.rejected)
            && (!self.failed || story.outcome != "succeeded")
            && self
                .since
                .is_none_or(|since| story.began().is_none_or(|began| began >= since.0))
    }
}
