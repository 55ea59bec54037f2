//! How the last operation on the runtime ended, for whoever tells what is the case now.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::outages::{Down, Outages};
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

/// Every kind of operation, as records write it.
pub const KINDS: [&str; 6] = ["deploy", "stop", "pull", "prune", "freeze", "thaw"];
/// Every outcome of one, as records write it; an operation that a kill left open is closed as interrupted.
pub const OUTCOMES: [&str; 5] = ["succeeded", "failed", "unknown", "abandoned", "interrupted"];

/// How many operations ended and how long they took, since the newest file of the trail began.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    ended: BTreeMap<(String, String), u64>,
    durations: BTreeMap<String, Sum>,
    downtimes: Sum,
}

/// How many there are, and their milliseconds together.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    count: u64,
    millis: u64,
}

impl Sum {
    fn add(&mut self, millis: Option<u64>) {
        if let Some(millis) = millis {
            self.count += 1;
            self.millis = self.millis.saturating_add(millis);
        }
    }
}

impl Counts {
    /// How many operations of this kind ended so.
    #[must_use]
    pub fn ended(&self, kind: &str, outcome: &str) -> u64 {
        let key = (kind.to_owned(), outcome.to_owned());
        self.ended.get(&key).copied().unwrap_or(0)
    }

    /// How many of this kind are timed, and their milliseconds together.
    #[must_use]
    pub fn durations(&self, kind: &str) -> (u64, u64) {
        let sum = self.durations.get(kind).copied().unwrap_or_default();
        (sum.count, sum.millis)
    }

    /// The same of the times without a runtime.
    #[must_use]
    pub fn downtimes(&self) -> (u64, u64) {
        (self.downtimes.count, self.downtimes.millis)
    }

    fn add(&mut self, ended: &LastOperation) {
        let key = (ended.kind.clone(), ended.outcome.clone());
        *self.ended.entry(key).or_default() += 1;
        let durations = self.durations.entry(ended.kind.clone()).or_default();
        durations.add(ended.duration_ms);
        self.downtimes.add(ended.downtime_ms);
    }
}

/// What is kept of the newest operations.
#[derive(Debug, Clone, Default)]
pub struct LastOperations {
    /// How many there were.
    pub counts: Counts,
    /// The one that ended last.
    pub any: Option<LastOperation>,
    /// The deploy that succeeded last.
    pub succeeded_deploy: Option<LastOperation>,
    outages: Outages,
}

impl LastOperations {
    /// The time without a running runtime that is not over, as far as the newest file of the trail tells.
    #[must_use]
    pub fn down(&self) -> Option<&Down> {
        self.outages.now()
    }
}

/// The same, shared with whoever asks.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedLast(Arc<RwLock<LastOperations>>);

impl SharedLast {
    pub(super) fn get(&self) -> LastOperations {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    pub(super) fn set(&self, last: LastOperations) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = last;
    }

    /// Whether `operation` is among those that are kept.
    pub(super) fn names_operation(&self, operation: &str) -> bool {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut newest = kept.any.iter().chain(&kept.succeeded_deploy);
        newest.any(|ended| ended.operation == operation)
    }

    /// Follows the runtime by one more record.
    pub(super) fn follow(&self, line: &Line<'_>) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.outages.take(line);
    }

    /// Takes in the end of an operation that was begun for the image `asked`.
    pub(super) fn take(&self, line: &Line<'_>, asked: Option<String>) {
        let kind = line.kind.as_ref().map(Text::as_str).unwrap_or_default();
        let interrupted = line.event == "operation_interrupted";
        let ended = LastOperation {
            operation: owned(line.operation.as_ref()).unwrap_or_default(),
            kind: kind.to_owned(),
            // Of an interrupted one the record has the image that is there now.
            image: match interrupted {
                true => asked,
                false => owned(line.image.as_ref()),
            },
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
        kept.counts.add(&ended);
        if !ON_THE_RUNTIME.contains(&kind) {
            return;
        }
        if ended.kind == "deploy" && ended.outcome == "succeeded" {
            kept.succeeded_deploy = Some(ended.clone());
        }
        kept.any = Some(ended);
    }
}
