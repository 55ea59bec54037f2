//! The table for people.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use super::HistoryOptions;
use super::story::Story;
use crate::audit::bounds::obeyed_by_terminals;

/// Columns: title and width; the last one takes what is left.
const COLUMNS: [(&str, usize); 9] = [
    ("STARTED (UTC)", 19),
    ("OPERATION", 12),
    ("KIND", 8),
    ("TAG", 16),
    ("DIGEST", 12),
    ("OUTCOME", 11),
    ("TOOK", 8),
    ("DOWN", 8),
    ("BY", 0),
];

pub(super) struct Table {
    json: bool,
    width: Option<usize>,
    colour: bool,
}

impl Table {
    pub(super) fn new(options: &HistoryOptions) -> Self {
        Self {
            json: options.json,
            width: options.width,
            colour: options.colour,
        }
    }

    pub(super) fn head(&self, out: &mut impl Write) -> io::Result<()> {
        let titles = COLUMNS.map(|(title, _)| title.to_owned());
        writeln!(out, "{}", self.fit(&line(&titles)))
    }

    pub(super) fn row(&self, story: &Story, out: &mut impl Write) -> io::Result<()> {
        if self.json {
            let json = serde_json::to_string(story)?;
            return writeln!(out, "{}", json_safe(&json));
        }
        let cells = [
            story
                .started_at
                .get(..19)
                .unwrap_or(&story.started_at)
                .replace('T', " "),
            tail(&story.operation, 12),
            story.kind.clone(),
            story.image.as_deref().map_or_else(dash, tag),
            story.digest.as_deref().map_or_else(dash, digest),
            story.outcome.clone(),
            story.duration_ms.map_or_else(dash, duration),
            story.downtime_ms.map_or_else(dash, duration),
            story.by().to_owned(),
        ];
        let row = self.fit(&line(&cells));
        match self.colour.then(|| colour(&story.outcome)) {
            Some(colour) => writeln!(out, "\u{1b}[{colour}m{row}\u{1b}[0m")?,
            None => writeln!(out, "{row}")?,
        }
        if story.outcome == "succeeded" {
            return Ok(());
        }
        let step = story.failed_step.as_deref().unwrap_or("-");
        let reason = story
            .reason
            .as_deref()
            .or(story.state.as_deref())
            .unwrap_or("-");
        let http = story.http.map_or_else(dash, |code| code.to_string());
        writeln!(
            out,
            "{}",
            self.fit(&format!("    at {step}, HTTP {http}: {reason}"))
        )
    }

    /// Escapes what a terminal would obey, and cuts at its edge.
    fn fit(&self, text: &str) -> String {
        let safe = plain(text);
        let safe = safe.trim_end();
        match self.width {
            Some(width) if safe.chars().count() > width => {
                let kept: String = safe.chars().take(width.saturating_sub(1)).collect();
                format!("{kept}…")
            }
            _ => safe.to_owned(),
        }
    }
}

/// How many of each outcome, and how long the runtime was down.
pub(super) fn summary(stories: &VecDeque<Story>, out: &mut impl Write) -> io::Result<()> {
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut downtimes: Vec<u64> = Vec::new();
    for story in stories {
        *outcomes.entry(story.outcome.as_str()).or_default() += 1;
        downtimes.extend(story.downtime_ms);
    }
    let counts: Vec<String> = outcomes
        .iter()
        .map(|(outcome, count)| format!("{count} {outcome}"))
        .collect();
    let counts = if counts.is_empty() {
        "no operations".to_owned()
    } else {
        counts.join(", ")
    };
    downtimes.sort_unstable();
    match (downtimes.get(downtimes.len() / 2), downtimes.last()) {
        (Some(median), Some(most)) => writeln!(
            out,
            "{counts}; downtime of a replacement: median {}, most {}",
            duration(*median),
            duration(*most)
        ),
        _ => writeln!(out, "{counts}"),
    }
}

fn line(cells: &[String; 9]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(COLUMNS)
        .map(|(cell, (_, width))| format!("{cell:width$}"))
        .collect();
    padded.join("  ")
}

fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = obeyed_by_terminals(c).then(|| c.escape_unicode().to_string());
            escaped
                .unwrap_or_else(|| c.to_string())
                .chars()
                .collect::<Vec<_>>()
        })
        .collect()
}

/// As [`plain`], so that it stays JSON.
fn json_safe(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if obeyed_by_terminals(c) {
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe
}

fn dash() -> String {
    "-".to_owned()
}

fn tag(image: &str) -> String {
    image
        .rsplit_once(':')
        .map_or(image, |(_, tag)| tag)
        .to_owned()
}

fn digest(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.chars().take(12).collect()
}

/// The end of an operation id is what differs.
fn tail(text: &str, length: usize) -> String {
    let skipped = text.chars().count().saturating_sub(length);
    text.chars().skip(skipped).collect()
}

fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        _ => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
    }
}

fn colour(outcome: &str) -> u8 {
    match outcome {
        "succeeded" => 32,
        "running" => 36,
        "failed" | "unknown" => 31,
        _ => 33,
    }
}
