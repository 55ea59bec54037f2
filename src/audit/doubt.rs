//! Why the ledger of tags may not know every tag that ran, until an operator has acknowledged it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::bounds::{long, short};

/// What the ledger may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtKind {
    /// The state directory had no trail: nothing that ran before is known.
    New,
    /// The trail was found damaged, so that entries of the ledger may be lost or changed.
    Lost,
    /// A container was made by an operation that this trail does not know: the state directory is older than the
    /// container, or another host's.
    Older,
}

/// One reason to doubt the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// Which.
    pub kind: DoubtKind,
    /// The record that says so.
    pub seq: u64,
    /// The operation that made the container, as its label says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_operation: Option<String>,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match self.kind {
            DoubtKind::New => write!(
                f,
                "the state directory had no trail (record {seq}): tags that ran before are not known"
            ),
            DoubtKind::Lost => write!(
                f,
                "the trail was damaged (record {seq}): tags that ran may be missing from the ledger"
            ),
            DoubtKind::Older => write!(
                f,
                "the runtime container was made by operation {}, which this trail does not know (record {seq}): the state \
                 directory is older than the container, or another host's",
                self.container_operation
                    .as_deref()
                    .unwrap_or("?")
                    .escape_debug()
            ),
        }
    }
}

/// The runtime container was made by an operation that the trail does not know.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerDoubted {
    /// Full id of the container.
    #[serde(serialize_with = "short")]
    pub container_id: String,
    /// The operation that its label names.
    #[serde(serialize_with = "short")]
    pub container_operation: String,
    /// Reference it was created from.
    #[serde(serialize_with = "short")]
    pub image: String,
}

/// An operator says that deploys may go on although the ledger may not know every tag.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerAcknowledged {
    /// In the operator's words.
    #[serde(serialize_with = "long")]
    pub reason: String,
    /// User id that ran the command.
    pub user: u32,
    /// Doubts up to this record are acknowledged, later ones are not.
    pub through_seq: u64,
    /// Those that were open.
    pub doubts: Vec<Doubt>,
}
