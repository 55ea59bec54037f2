//! Gathers the records of an operation into one, and makes a row of what was observed between them.

use serde_json::{Map, Value, json};

use super::lines::rename;
use crate::audit::{Effect, Line, Outages, Text, in_words, owned};

/// One row: an operation, an observation of the runtime, or a rejected request.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// When it began, RFC 3339.
    pub(super) at: String,
    pub(super) operation: String,
    pub(super) kind: String,
    pub(super) image: Option<String>,
    /// Digest, or id where the digest is not known.
    pub(super) digest: Option<String>,
    /// Revision of its source, as the image claims.
    pub(super) revision: Option<String>,
    /// The key that signed it, or that nobody did; none if nobody asked.
    pub(super) signature: Option<String>,
    pub(super) outcome: String,
    /// The step that failed, or the last that was begun.
    pub(super) step: Option<String>,
    pub(super) by: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) duration_ms: Option<u64>,
    /// Of the outage that it ended, however many operations and observations lie in it.
    pub(super) downtime_ms: Option<u64>,
    /// What the predecessor cost that did not end on SIGTERM.
    pub(super) grace_ms: Option<u64>,
    /// No runtime runs after it.
    pub(super) down: bool,
    /// How many outages it ended.
    pub(super) outages: u64,
    /// All of it, when JSON is asked for.
    pub(super) json: Option<Value>,
}

/// The kind of a row of an observation.
const OBSERVED: &str = "observed";
/// The kind of a row of an acknowledgement.
const LEDGER: &str = "ledger";

impl Entry {
    pub(super) fn is_rejection(&self) -> bool {
        self.kind == "rejected"
    }

    pub(super) fn is_observation(&self) -> bool {
        self.kind == OBSERVED
    }

    /// Whether an operator said something of the ledger.
    pub(super) fn is_acknowledgement(&self) -> bool {
        self.kind == LEDGER
    }

    pub(super) fn did_not_succeed(&self) -> bool {
        if self.is_acknowledgement() {
            return false;
        }
        if self.is_observation() {
            return self.down;
        }
        self.outcome != "succeeded" && self.outcome != "running"
    }

    fn begun(line: &Line<'_>) -> Self {
        let mut entry = Self {
            at: line.at.clone().into_owned(),
            operation: owned(line.operation.as_ref()).unwrap_or_default(),
            outcome: "running".to_owned(),
            ..Self::default()
        };
        entry.know(line);
        entry
    }

    /// What several records may say.
    fn know(&mut self, line: &Line<'_>) {
        if let Some(kind) = &line.kind {
            self.kind = kind.as_str().to_owned();
        }
        let image = || owned(line.image.as_ref());
        self.image = self.image.take().or_else(image);
        let by = || line.requester.as_ref()?.shown();
        self.by = self.by.take().or_else(by);
    }

    fn ended(&mut self, line: &Line<'_>) {
        self.know(line);
        self.outcome = owned(line.outcome.as_ref()).unwrap_or_default();
        self.step = owned(line.failed_step.as_ref());
        self.reason = owned(line.reason.as_ref());
        self.digest = owned(line.digest.as_ref().or(line.image_id.as_ref()));
        let claims = line.claimed_by_image.as_ref();
        self.revision = claims.and_then(|claims| owned(claims.revision.as_ref()));
        self.signature = line.signature.as_ref().map(|found| {
            let shown = found.key.as_ref().unwrap_or(&found.verdict);
            shown.as_str().to_owned()
        });
        self.duration_ms = line.duration_ms;
        self.downtime_ms = line.downtime_ms;
    }

    /// What it meant for the runtime.
    fn means(&mut self, effect: Effect) {
        self.down = effect.down;
        if let Some(outage) = effect.over {
            self.downtime_ms = outage.ms;
            self.outages = 1;
            self.insert("downtime_ms", json!(outage.ms));
            let whole =
                json!({"since": outage.since, "until": outage.until, "cause": outage.cause});
            self.insert("outage", whole);
        }
        if self.down {
            self.insert("down", json!(true));
        }
    }

    fn interrupted(&mut self, line: &Line<'_>) {
        self.outcome = "interrupted".to_owned();
        if let Some(kind) = &line.kind {
            self.kind = kind.as_str().to_owned();
        }
        let state = line.state.as_ref().map_or("unknown", Text::as_str);
        self.reason = Some(format!(
            "the agent ended during this operation; afterwards the runtime was: {}",
            state.replace('_', " ")
        ));
    }
}

/// Operations that began and have not ended yet, in the order of the trail.
pub(super) struct Collector {
    json: bool,
    open: Vec<Entry>,
    outages: Outages,
}

impl Collector {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            open: Vec::new(),
            outages: Outages::default(),
        }
    }

    /// Takes `record`, which was parsed from `line`; gives what is complete with it.
    pub(super) fn take(&mut self, record: Line<'_>, line: &[u8]) -> Option<Entry> {
        let effect = self.outages.take(&record);
        match record.event.as_ref() {
            "operation_started" => {
                let mut entry = Entry::begun(&record);
                entry.json = self.detail(&record, line).map(|mut all| {
                    rename(&mut all, "at", "started_at");
                    all.insert("outcome".to_owned(), json!("running"));
                    all.insert("steps".to_owned(), json!([]));
                    Value::Object(all)
                });
                self.open.push(entry);
                None
            }
            "agent_started" => {
                for entry in &mut self.open {
                    entry.outcome = "interrupted".to_owned();
                    entry.insert("outcome", json!("interrupted"));
                }
                None
            }
            "step_started" | "step_ended" | "predecessor_ended" | "image_pruned" => {
                let detail = self.detail(&record, line);
                let entry = self.find(&record)?;
                if record.event == "step_started" {
                    entry.step = owned(record.step.as_ref());
                }
                if record.killed_after_grace == Some(true) {
                    entry.grace_ms = record.stop_ms;
                }
                if let Some(detail) = detail {
                    entry.add(&record.event, detail);
                }
                None
            }
            "operation_ended" | "operation_interrupted" => Some(self.end(&record, line, effect)),
            "runtime_observed" => self.observation(&record, line, effect),
            "ledger_acknowledged" => Some(self.acknowledgement(&record, line)),
            "rejected" | "rejections_suppressed" => Some(self.rejection(&record, line)),
            _ => None,
        }
    }

    /// Since when no runtime runs, and why.
    pub(super) fn outages(&self) -> &Outages {
        &self.outages
    }

    /// What has no outcome: it runs, or its agent ended and no later one closed it yet.
    pub(super) fn unfinished(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.open)
    }

    fn end(&mut self, record: &Line<'_>, line: &[u8], effect: Effect) -> Entry {
        let at = self.position(record);
        let mut entry = match at {
            Some(at) => self.open.remove(at),
            None => {
                let mut entry = Entry::begun(record);
                entry.json = self.json.then(|| json!({"steps": []}));
                entry
            }
        };
        let ended = record.event == "operation_ended";
        if ended {
            entry.ended(record);
        } else {
            entry.interrupted(record);
        }
        if let Some(mut detail) = self.detail(record, line) {
            rename(&mut detail, "at", "ended_at");
            detail.remove("seq");
            if ended {
                entry.extend(detail);
            } else {
                entry.insert("outcome", json!("interrupted"));
                detail.remove("operation");
                entry.insert("interrupted", Value::Object(detail));
            }
        }
        entry.means(effect);
        entry
    }

    /// That it was there or not when an agent started is shown where it changes something.
    fn observation(&self, record: &Line<'_>, line: &[u8], effect: Effect) -> Option<Entry> {
        let observed = record.observed.as_ref().map_or("", Text::as_str);
        if matches!(observed, "present" | "absent") && !effect.changes {
            return None;
        }
        let mut entry = Entry::begun(record);
        entry.kind = OBSERVED.to_owned();
        entry.outcome = observed.replace('_', " ");
        entry.by = record.by.as_ref().map(|by| by.as_str().replace('_', " "));
        let over = effect.over.as_ref().filter(|_| observed == "present");
        entry.reason = Some(over.map_or_else(|| in_words(record), |outage| outage.cause.clone()));
        entry.json = self.detail(record, line).map(|mut all| {
            all.insert("kind".to_owned(), json!(OBSERVED));
            Value::Object(all)
        });
        if let Some(count) = record.count {
            (entry.outages, entry.downtime_ms) = (count, record.down_ms);
            entry.insert("downtime_ms", json!(record.down_ms));
        }
        let count = entry.outages;
        entry.means(effect);
        entry.outages = entry.outages.max(count);
        Some(entry)
    }

    fn acknowledgement(&self, record: &Line<'_>, line: &[u8]) -> Entry {
        let mut entry = Entry::begun(record);
        entry.kind = LEDGER.to_owned();
        entry.outcome = "acknowledged".to_owned();
        entry.by = record.user.map(|user| format!("uid {user}"));
        entry.reason = owned(record.reason.as_ref());
        entry.json = self.detail(record, line).map(|mut all| {
            all.insert("kind".to_owned(), json!(LEDGER));
            all.insert("outcome".to_owned(), json!("acknowledged"));
            Value::Object(all)
        });
        entry
    }

    fn rejection(&self, record: &Line<'_>, line: &[u8]) -> Entry {
        let mut entry = Entry::begun(record);
        entry.kind = "rejected".to_owned();
        entry.outcome = record
            .http
            .map_or_else(String::new, |http| http.to_string());
        let reason = owned(record.reason.as_ref()).unwrap_or_default();
        entry.reason = Some(match (record.count, &record.request) {
            (Some(count), _) => format!("{count} more requests were rejected"),
            (None, Some(request)) => format!("{}: {reason}", request.as_str()),
            (None, None) => reason,
        });
        entry.json = self.detail(record, line).map(|mut all| {
            all.insert("kind".to_owned(), json!(record.event));
            Value::Object(all)
        });
        entry
    }

    fn position(&self, record: &Line<'_>) -> Option<usize> {
        let operation = record.operation.as_ref()?;
        self.open
            .iter()
            .position(|entry| entry.operation == operation.as_str())
    }

    fn find(&mut self, record: &Line<'_>) -> Option<&mut Entry> {
        let at = self.position(record)?;
        self.open.get_mut(at)
    }

    /// All fields of the line that belong to the event; of a line that was spoiled where the table does not look, what
    /// the table knows.
    fn detail(&self, record: &Line<'_>, line: &[u8]) -> Option<Map<String, Value>> {
        if !self.json {
            return None;
        }
        let mut all: Map<String, Value> = serde_json::from_slice(line).unwrap_or_else(|_| {
            let known = [
                ("at", json!(record.at)),
                ("operation", json!(owned(record.operation.as_ref()))),
                ("unreadable", json!(true)),
            ];
            known
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect()
        });
        all.remove("prev");
        all.remove("event");
        Some(all)
    }
}
