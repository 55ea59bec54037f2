//! What the records say when they are read in order: the chain, open operations, the ledger of tags.
//!
//! The writer keeps one of these in step with what it writes; opening and verifying build one by reading.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::event::{Event, LedgerReference, Unfinished};
use super::trail::{LedgerEntry, Receipt};

/// `prev` of the very first record.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A record on its way into the file.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    pub(super) seq: u64,
    pub(super) at: &'a str,
    pub(super) agent_version: &'a str,
    pub(super) prev: &'a str,
    #[serde(flatten)]
    pub(super) event: &'a Event,
}

/// The part of a record that the chain needs.
#[derive(Deserialize)]
pub(super) struct Parsed<'a> {
    pub(super) seq: u64,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    prev: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) event: Cow<'a, str>,
    #[serde(borrow, default)]
    operation: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    image: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    step: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reference: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    digest: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    image_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) ledger: Option<LedgerReference>,
    #[serde(default)]
    unfinished: Vec<Unfinished>,
}

impl Parsed<'_> {
    /// Whether this is the record that comes after `head`.
    pub(super) fn follows(&self, head: &Receipt) -> bool {
        self.seq == head.seq + 1 && self.prev == head.hash.as_str()
    }

    /// What the record says of the one before it.
    pub(super) fn predecessor(&self) -> Receipt {
        Receipt {
            seq: self.seq.saturating_sub(1),
            hash: self.prev.clone().into_owned(),
        }
    }
}

/// The state after some record.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) head: Receipt,
    pub(super) unfinished: Vec<Unfinished>,
    pub(super) ledger: HashMap<String, LedgerEntry>,
}

impl Chain {
    pub(super) fn new() -> Self {
        let head = Receipt {
            seq: 0,
            hash: GENESIS.to_owned(),
        };
        Self {
            head,
            unfinished: Vec::new(),
            ledger: HashMap::new(),
        }
    }

    /// Reads one line without its newline.
    pub(super) fn parse(line: &[u8]) -> Option<Parsed<'_>> {
        serde_json::from_slice(line).ok()
    }

    /// Takes a record; what does not follow from the record before is returned as a problem, and
    /// reading goes on from what is there.
    pub(super) fn take(&mut self, parsed: &Parsed<'_>, line: &[u8]) -> Option<String> {
        let wrong = if parsed.seq != self.head.seq + 1 {
            Some(format!(
                "its sequence number is {}, and {} was expected",
                parsed.seq,
                self.head.seq + 1
            ))
        } else if parsed.prev != self.head.hash.as_str() {
            Some(
                "the record before it is not the one that was there when it was written".to_owned(),
            )
        } else {
            None
        };
        self.learn(parsed);
        self.head = Receipt {
            seq: parsed.seq,
            hash: hash_of_line(line),
        };
        wrong
    }

    /// What the record says about operations and tags.
    pub(super) fn learn(&mut self, parsed: &Parsed<'_>) {
        let text = |field: &Option<Cow<'_, str>>| field.as_deref().map(str::to_owned);
        let Some(operation) = text(&parsed.operation) else {
            if parsed.event == "trail_continued" {
                self.unfinished.clone_from(&parsed.unfinished);
            }
            return;
        };
        match parsed.event.as_ref() {
            "operation_started" => self.unfinished.push(Unfinished {
                operation,
                kind: text(&parsed.kind).unwrap_or_default(),
                image: text(&parsed.image),
                last_step: None,
            }),
            "step_started" => {
                let open = self.unfinished.iter_mut();
                for open in open.filter(|open| open.operation == operation) {
                    open.last_step = text(&parsed.step);
                }
            }
            "operation_ended" | "operation_interrupted" => {
                self.unfinished.retain(|open| open.operation != operation);
            }
            "tag_ran" => {
                if let (Some(reference), Some(image_id)) =
                    (text(&parsed.reference), text(&parsed.image_id))
                {
                    let entry = || LedgerEntry {
                        digest: text(&parsed.digest),
                        image_id,
                        first_ran_at: parsed.at.clone().into_owned(),
                        operation,
                    };
                    self.ledger.entry(reference).or_insert_with(entry);
                }
            }
            _ => {}
        }
    }
}

/// SHA-256 of a line with its newline, in hexadecimal.
pub(super) fn hash_of_line(line: &[u8]) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&SHA256);
    context.update(line);
    context.update(b"\n");
    hex(context.finish().as_ref())
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ledger as a file: sorted, so that equal ledgers are equal files.
pub(super) fn ledger_to_bytes(
    ledger: &HashMap<String, LedgerEntry>,
) -> serde_json::Result<Vec<u8>> {
    let sorted: std::collections::BTreeMap<_, _> = ledger.iter().collect();
    serde_json::to_vec(&sorted)
}
