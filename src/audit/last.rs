//! How the last operation on the runtime ended, for whoever tells what is the case now.

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::record::{Line, Text, owned};

/// The operations that act on the runtime container: the others never hide how the last of these ended.
const ON_THE_RUNTIME: [&str; 2] = ["deploy", "stop"];

/// The outcome of one operation, as its record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastOperation {
    /// Operation id.
    pub operation: String,
    /// `deploy` or `stop`.
    pub kind: String,
    /// Reference asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `succeeded`, `failed`, `unknown`, `abandoned` or `interrupted`.
    pub outcome: String,
    /// When it ended, RFC 3339.
    pub ended_at: String,
    /// The sentence that the caller was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How long no runtime ran, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime_ms: Option<u64>,
}

/// What is kept of the newest operations.
#[derive(Debug, Clone, Default)]
pub struct LastOperations {
    /// The one that ended last.
    pub any: Option<LastOperation>,
    /// The deploy that succeeded last.
    pub succeeded_deploy: Option<LastOperation>,
}

/// The same, shared with whoever asks.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedLast(Arc<RwLock<LastOperations>>);

impl SharedLast {
    pub(super) fn get(&self) -> LastOperations {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    /// Takes in the end of an operation.
    pub(super) fn take(&self, line: &Line<'_>) {
        let kind = line.kind.as_ref().map(Text::as_str).unwrap_or_default();
        if !ON_THE_RUNTIME.contains(&kind) {
            return;
        }
        let interrupted = line.event == "operation_interrupted";
        let ended = LastOperation {
            operation: owned(line.operation.as_ref()).unwrap_or_default(),
            kind: kind.to_owned(),
            // Of an interrupted one the record has the image that is there now.
            image: owned(line.image.as_ref()).filter(|_| !interrupted),
            outcome: match interrupted {
                true => "interrupted".to_owned(),
                false => owned(line.outcome.as_ref()).unwrap_or_default(),
            },
            ended_at: line.at.clone().into_owned(),
            reason: owned(line.reason.as_ref()),
            duration_ms: line.duration_ms,
            downtime_ms: line.downtime_ms,
        };
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if ended.kind == "deploy" && ended.outcome == "succeeded" {
            kept.succeeded_deploy = Some(ended.clone());
        }
        kept.any = Some(ended);
    }
}
