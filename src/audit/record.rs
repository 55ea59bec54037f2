//! One line of the trail.
//!
//! Every line is a JSON object that ends in a newline and begins with the same six fields:
//!
//! | field | meaning |
//! |---|---|
//! | `v` | version of this format: 1 |
//! | `seq` | 1 for the first record of a trail, one more for each; never goes back |
//! | `at` | when the record was handed to the trail: RFC 3339, UTC, milliseconds. Follows the host's clock, so it may go back |
//! | `agent_version` | version of the agent that wrote it |
//! | `prev` | SHA-256, in hexadecimal, of the line before, its newline included; 64 zeros in the first record |
//! | `event` | what happened, see [`Event`]; the event's own fields follow |
//!
//! Fields are added, never renamed or given another meaning; a reader ignores what it does not know. What is not
//! compatible gets another `v`, and an agent that finds one refuses to start instead of guessing.

use std::borrow::Cow;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::bounds;
use super::event::{Event, LedgerReference, Unfinished};

/// The version of the format.
const FORMAT: u32 = 1;

/// `prev` of the first record.
pub(super) const NO_RECORD: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

const AT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

#[derive(Serialize)]
struct Record<'a> {
    v: u32,
    seq: u64,
    at: String,
    agent_version: &'a str,
    prev: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

/// The line of `event`, newline included.
pub(super) fn encode(
    seq: u64,
    at: OffsetDateTime,
    agent_version: &str,
    prev: &str,
    event: &Event,
) -> serde_json::Result<Vec<u8>> {
    let mut line = bounds::to_json(&Record {
        v: FORMAT,
        seq,
        at: rfc3339(at),
        agent_version,
        prev,
        event,
    })?;
    line.push(b'\n');
    Ok(line)
}

/// `at` as records show it.
pub(super) fn rfc3339(at: OffsetDateTime) -> String {
    let utc = at.to_offset(time::UtcOffset::UTC);
    utc.format(AT)
        .unwrap_or_else(|_| "1970-01-01T00:00:00.000Z".to_owned())
}

/// SHA-256 of `bytes` in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Text of a line, borrowed from it where nothing is escaped.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// What recovery and `verify` need of a line; everything else is skipped unread.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    v: u32,
    pub(super) seq: u64,
    #[serde(borrow)]
    pub(super) at: Cow<'a, str>,
    #[serde(borrow, rename = "agent_version")]
    _agent_version: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) prev: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) event: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) operation: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) image: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) step: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) reference: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) digest: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) image_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) problem: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) file: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) sha256: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) after_file: Option<Text<'a>>,
    #[serde(default)]
    pub(super) after_seq: Option<u64>,
    #[serde(default)]
    pub(super) ledger: Option<LedgerReference>,
    #[serde(default)]
    pub(super) unfinished: Vec<Unfinished>,
}

impl<'a> Line<'a> {
    /// Reads one line, with or without its newline.
    pub(super) fn parse(line: &'a [u8]) -> serde_json::Result<Self> {
        let parsed: Self = serde_json::from_slice(line)?;
        if parsed.v == FORMAT {
            return Ok(parsed);
        }
        let problem = format!("it is of version {} of the format", parsed.v);
        Err(serde::de::Error::custom(problem))
    }

    /// Whether this is a record that another version of the agent wrote.
    pub(super) fn is_of_another_version(line: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        serde_json::from_slice::<Version>(line).is_ok_and(|found| found.v != FORMAT)
    }
}

/// The text of an optional field, owned.
pub(super) fn owned(text: Option<&Text<'_>>) -> Option<String> {
    text.map(|text| text.0.clone().into_owned())
}
