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

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::bounds;
use super::doubt::Doubt;
use super::event::{Event, Unfinished};
use super::ledger::LedgerReference;

/// The version of the format.
const FORMAT: u32 = 1;

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
        at: timestamp(at),
        agent_version,
        prev,
        event,
    })?;
    line.push(b'\n');
    Ok(line)
}

/// `at` as records show it.
pub(crate) fn timestamp(at: OffsetDateTime) -> String {
    let utc = at.to_offset(time::UtcOffset::UTC);
    utc.format(AT)
        .unwrap_or_else(|_| "1970-01-01T00:00:00.000Z".to_owned())
}

/// Text of a line, borrowed from it where nothing is escaped.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of an optional field, owned.
pub(crate) fn owned(text: Option<&Text<'_>>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

/// Who asked, as a line has it.
#[derive(Debug, Deserialize)]
pub(crate) struct RequesterFields<'a> {
    #[serde(borrow, default)]
    pub(crate) client_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) common_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    proven: Option<Vec<Text<'a>>>,
}

impl RequesterFields<'_> {
    /// The name of who asked, with a mark behind one that was only claimed.
    pub(crate) fn shown(&self) -> Option<String> {
        let claimed = self.proven.as_ref().is_some_and(Vec::is_empty);
        let name = owned(self.common_name.as_ref().or(self.client_id.as_ref()))?;
        Some(if claimed { name + "?" } else { name })
    }
}

/// What an image claims of its origin, as a line has it.
#[derive(Debug, Deserialize)]
pub(crate) struct ClaimFields<'a> {
    #[serde(borrow, default)]
    pub(crate) revision: Option<Text<'a>>,
}

/// What was found out about a signature, as a line has it.
#[derive(Debug, Deserialize)]
pub(crate) struct SignatureFields<'a> {
    #[serde(borrow)]
    pub(crate) verdict: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) key: Option<Text<'a>>,
}

/// What recovery, `verify` and `history` need of a line; everything else is skipped unread.
#[derive(Debug, Deserialize)]
pub(crate) struct Line<'a> {
    v: u32,
    pub(crate) seq: u64,
    #[serde(borrow)]
    pub(crate) at: Cow<'a, str>,
    #[serde(borrow, rename = "agent_version")]
    _agent_version: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) prev: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) event: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) operation: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) image: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) requester: Option<RequesterFields<'a>>,
    #[serde(borrow, default)]
    pub(crate) step: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) failed_step: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) outcome: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) state: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) request: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) user: Option<u32>,
    #[serde(default)]
    pub(crate) http: Option<u16>,
    #[serde(default)]
    pub(crate) duration_ms: Option<u64>,
    #[serde(default)]
    pub(crate) downtime_ms: Option<u64>,
    #[serde(default)]
    pub(crate) stop_ms: Option<u64>,
    #[serde(default)]
    pub(crate) killed_after_grace: Option<bool>,
    #[serde(default)]
    pub(crate) count: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) reference: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) digest: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) image_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) signature: Option<SignatureFields<'a>>,
    #[serde(borrow, default)]
    pub(crate) claimed_by_image: Option<ClaimFields<'a>>,
    #[serde(borrow, default)]
    pub(crate) problem: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) file: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) sha256: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) after_file: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) after_seq: Option<u64>,
    #[serde(default)]
    pub(crate) ledger: Option<LedgerReference>,
    #[serde(default)]
    pub(crate) unfinished: Vec<Unfinished>,
    #[serde(borrow, default)]
    pub(crate) observed: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) by: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) up: bool,
    #[serde(borrow, default)]
    pub(crate) status: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) acted_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) container_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) ended_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) started_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) down_since: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) up_since: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) exit_code: Option<i64>,
    #[serde(default)]
    pub(crate) oom_killed: bool,
    #[serde(default)]
    pub(crate) down_ms: Option<u64>,
    #[serde(default)]
    pub(super) new_trail: bool,
    #[serde(borrow, default)]
    pub(super) container_operation: Option<Text<'a>>,
    #[serde(default)]
    pub(super) through_seq: Option<u64>,
    #[serde(default)]
    pub(super) doubts: Vec<Doubt>,
}

/// Why a line holds no record of this format.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotARecord {
    /// It is no JSON object with the fields of a record.
    #[error("not a record ({0})")]
    Other(#[from] serde_json::Error),
    /// Another version of the agent wrote it.
    #[error("of version {0} of the format: a newer agent wrote it")]
    OtherVersion(u32),
    /// The file ends before the line does; so many bytes are there.
    #[error("{0} bytes without an end of line")]
    NoEnd(u64),
    /// Longer than any record.
    #[error("not a record: it has no end within 1 MiB")]
    TooLong,
}

impl<'a> Line<'a> {
    /// Reads one line, with or without its newline.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, NotARecord> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        match serde_json::from_slice::<Self>(line) {
            Ok(parsed) if parsed.v == FORMAT => Ok(parsed),
            Ok(parsed) => Err(NotARecord::OtherVersion(parsed.v)),
            // Another version may have other fields.
            Err(error) => match serde_json::from_slice::<Version>(line) {
                Ok(found) if found.v != FORMAT => Err(NotARecord::OtherVersion(found.v)),
                _ => Err(error.into()),
            },
        }
    }
}
