//! Gathers the records of an operation into one.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::lines::rename;

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    fn owned(this: Option<&Self>) -> Option<String> {
        this.map(|text| text.0.clone().into_owned())
    }
}

#[derive(Deserialize)]
struct Requester<'a> {
    #[serde(borrow, default)]
    client_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    common_name: Option<Text<'a>>,
}

/// What the table needs of a line; everything else is skipped unread.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    pub(super) seq: u64,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    operation: Option<Text<'a>>,
    #[serde(borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    image: Option<Text<'a>>,
    #[serde(borrow, default)]
    digest: Option<Text<'a>>,
    #[serde(borrow, default)]
    image_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    requester: Option<Requester<'a>>,
    #[serde(borrow, default)]
    step: Option<Text<'a>>,
    #[serde(borrow, default)]
    failed_step: Option<Text<'a>>,
    #[serde(borrow, default)]
    outcome: Option<Text<'a>>,
    #[serde(borrow, default)]
    reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    state: Option<Text<'a>>,
    #[serde(borrow, default)]
    request: Option<Text<'a>>,
    #[serde(default)]
    http: Option<u16>,
    #[serde(default)]
    duration_ms: Option<u64>,
    #[serde(default)]
    downtime_ms: Option<u64>,
    #[serde(default)]
    count: Option<u64>,
}

impl<'a> Line<'a> {
    pub(super) fn parse(line: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }
}

/// One row: an operation, or a request that was turned away.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// When it began, RFC 3339.
    pub(super) at: String,
    pub(super) operation: String,
    pub(super) kind: String,
    pub(super) image: Option<String>,
    /// Digest, or id where the digest is not known.
    pub(super) digest: Option<String>,
    pub(super) outcome: String,
    /// The step that failed, or the last that was begun.
    pub(super) step: Option<String>,
    pub(super) by: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) duration_ms: Option<u64>,
    pub(super) downtime_ms: Option<u64>,
    /// All of it, when JSON is asked for.
    pub(super) json: Option<Value>,
}

impl Entry {
    pub(super) fn is_rejection(&self) -> bool {
        self.kind == "rejected"
    }

    pub(super) fn did_not_succeed(&self) -> bool {
        self.outcome != "succeeded" && self.outcome != "running"
    }

    fn begun(line: &Line<'_>) -> Self {
        let mut entry = Self {
            at: line.at.clone().into_owned(),
            operation: Text::owned(line.operation.as_ref()).unwrap_or_default(),
            outcome: "running".to_owned(),
            ..Self::default()
        };
        entry.know(line);
        entry
    }

    /// What several records may say.
    fn know(&mut self, line: &Line<'_>) {
        if let Some(kind) = &line.kind {
            self.kind = kind.0.clone().into_owned();
        }
        let image = || Text::owned(line.image.as_ref());
        self.image = self.image.take().or_else(image);
        let by = || {
            let requester = line.requester.as_ref()?;
            let who = requester.common_name.as_ref();
            Text::owned(who.or(requester.client_id.as_ref()))
        };
        self.by = self.by.take().or_else(by);
    }

    fn ended(&mut self, line: &Line<'_>) {
        self.know(line);
        self.outcome = Text::owned(line.outcome.as_ref()).unwrap_or_default();
        self.step = Text::owned(line.failed_step.as_ref());
        self.reason = Text::owned(line.reason.as_ref());
        self.digest = Text::owned(line.digest.as_ref().or(line.image_id.as_ref()));
        self.duration_ms = line.duration_ms;
        self.downtime_ms = line.downtime_ms;
    }

    fn interrupted(&mut self, line: &Line<'_>) {
        self.outcome = "interrupted".to_owned();
        if let Some(kind) = &line.kind {
            self.kind = kind.0.clone().into_owned();
        }
        let state = line.state.as_ref().map_or("unknown", |text| &text.0);
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
}

impl Collector {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            open: Vec::new(),
        }
    }

    /// Takes `record`, which was parsed from `line`; gives what is complete with it.
    pub(super) fn take(&mut self, record: Line<'_>, line: &[u8]) -> Option<Entry> {
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
                    entry.step = Text::owned(record.step.as_ref());
                }
                if let Some(detail) = detail {
                    entry.add(&record.event, detail);
                }
                None
            }
            "operation_ended" | "operation_interrupted" => Some(self.end(&record, line)),
            "rejected" | "rejections_suppressed" => Some(self.rejection(&record, line)),
            _ => None,
        }
    }

    /// What has no outcome: it runs, or its agent ended and no later one closed it yet.
    pub(super) fn unfinished(self) -> Vec<Entry> {
        self.open
    }

    fn end(&mut self, record: &Line<'_>, line: &[u8]) -> Entry {
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
        entry
    }

    fn rejection(&self, record: &Line<'_>, line: &[u8]) -> Entry {
        let mut entry = Entry::begun(record);
        entry.kind = "rejected".to_owned();
        entry.outcome = record
            .http
            .map_or_else(String::new, |http| http.to_string());
        let reason = Text::owned(record.reason.as_ref()).unwrap_or_default();
        entry.reason = Some(match (record.count, &record.request) {
            (Some(count), _) => format!("{count} more requests were turned away"),
            (None, Some(request)) => format!("{}: {reason}", request.0),
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
            .position(|entry| entry.operation == operation.0)
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
                ("operation", json!(Text::owned(record.operation.as_ref()))),
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
