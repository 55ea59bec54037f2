//! `deploy-agent history`: what ran when, who asked, what failed, was it the same image.
//!
//! `lines` reads the files of a trail as they stand or as they grow, `operation` gathers the records
//! of one operation (`detail` its JSON), `table` and `summary` show them.

mod detail;
mod lines;
mod operation;
mod summary;
mod table;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use crate::audit::Down;
use lines::Lines;
use operation::{Collector, Entry};
use serde_json::json;
use summary::Summary;
use table::Table;

/// How soon `--follow` shows what was written: soon for a person, seldom for the disk.
const POLL: Duration = Duration::from_millis(250);

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
    /// Also rejected requests.
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
        let time = OffsetDateTime::parse(text, &Rfc3339).ok();
        let date = || {
            let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
            Some(date.midnight().assume_utc())
        };
        time.or_else(date)
            .or_else(|| ago(text))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is neither a time nor an age"))
    }
}

/// The point in time that lies `age` (`90m`, `2h`, `3d`) back.
fn ago(age: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::now_utc().checked_sub(crate::clock::span(age)?)
}

/// Shows the operations of the trail at `options.path`, newest last, then a summary.
/// Works beside a running agent and takes no lock. Blocks; with `follow`, for ever.
///
/// # Errors
/// The trail cannot be read, or `out` cannot be written (with `follow`, that is the usual end).
pub fn history(options: &HistoryOptions, out: &mut impl Write) -> io::Result<()> {
    let mut lines = Lines::open(&options.path)?;
    let mut collector = Collector::new(options.json);
    let mut show = Show::new(options, out);
    read(&mut lines, &mut collector, &mut show)?;
    if !options.follow {
        for entry in collector.unfinished() {
            show.take(entry)?;
        }
        show.release()?;
        return show.conclude(&lines, collector.outages().now());
    }
    show.release()?;
    loop {
        show.out.flush()?;
        std::thread::sleep(POLL);
        lines.go_on()?;
        read(&mut lines, &mut collector, &mut show)?;
    }
}

fn read<W: Write>(
    lines: &mut Lines,
    collector: &mut Collector,
    show: &mut Show<'_, W>,
) -> io::Result<()> {
    lines.read(|record, line| match collector.take(record, line) {
        Some(entry) => show.take(entry),
        None => Ok(()),
    })
}

/// Chooses what is shown, and shows it.
struct Show<'o, W> {
    options: &'o HistoryOptions,
    out: &'o mut W,
    table: Table,
    summary: Summary,
    /// With a limit: the newest so far. `None` when everything is shown as it comes.
    held: Option<VecDeque<Entry>>,
}

impl<'o, W: Write> Show<'o, W> {
    fn new(options: &'o HistoryOptions, out: &'o mut W) -> Self {
        Self {
            options,
            out,
            table: Table::new(options.width, options.colour),
            summary: Summary::default(),
            held: options.limit.map(|_| VecDeque::new()),
        }
    }

    fn take(&mut self, entry: Entry) -> io::Result<()> {
        if !self.wanted(&entry) {
            return Ok(());
        }
        let Some(held) = &mut self.held else {
            return self.put(&entry);
        };
        held.push_back(entry);
        if held.len() > self.options.limit.unwrap_or(usize::MAX) {
            held.pop_front();
        }
        Ok(())
    }

    fn wanted(&self, entry: &Entry) -> bool {
        let since = || {
            let Some(Since(since)) = self.options.since else {
                return true;
            };
            // A time that cannot be read is no reason to hide what happened.
            OffsetDateTime::parse(&entry.at, &Rfc3339).map_or(true, |at| at >= since)
        };
        let kind = match entry.is_rejection() {
            true => self.options.rejected,
            false => !self.options.failed || entry.did_not_succeed(),
        };
        kind && since()
    }

    /// Shows what was held; from here on everything is shown as it comes.
    fn release(&mut self) -> io::Result<()> {
        for entry in self.held.take().unwrap_or_default() {
            self.put(&entry)?;
        }
        Ok(())
    }

    fn put(&mut self, entry: &Entry) -> io::Result<()> {
        if let Some(json) = &entry.json {
            let mut line = crate::audit::to_json(json)?;
            line.push(b'\n');
            return self.out.write_all(&line);
        }
        self.summary.add(entry);
        self.table.row(self.out, entry)
    }

    fn conclude(self, lines: &Lines, down: Option<&Down>) -> io::Result<()> {
        if self.options.json {
            if let Some(Down { since, cause, .. }) = down {
                let now = json!({"kind": "outage", "down": true, "since": since, "cause": cause});
                self.out.write_all(&crate::audit::to_json(&now)?)?;
                self.out.write_all(b"\n")?;
            }
            return self.out.flush();
        }
        self.summary.write(self.out, down)?;
        if lines.unreadable() > 0 {
            let unreadable = lines.unreadable();
            writeln!(
                self.out,
                "lines that cannot be read: {unreadable}; see `deploy-agent verify`"
            )?;
        }
        if let Some(violation) = lines.violation() {
            writeln!(
                self.out,
                "not what was written: {}; see `deploy-agent verify`",
                table::harmless(violation.into())
            )?;
        }
        self.out.flush()
    }
}
