//! Records put together: one story an operation.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One step of an operation.
#[derive(Debug, Clone, Serialize)]
pub(super) struct StepStory {
    step: String,
    outcome: String,
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// One operation, or one request that was turned away, as `--json` shows it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Story {
    pub(super) operation: String,
    pub(super) kind: String,
    pub(super) started_at: String,
    pub(super) outcome: String,
    pub(super) http: Option<u64>,
    pub(super) image: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) image_id: Option<String>,
    pub(super) container_id: Option<String>,
    pub(super) state: Option<String>,
    pub(super) failed_step: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) requester: Value,
    pub(super) environment_asked: Option<String>,
    pub(super) queue_wait_ms: Option<u64>,
    pub(super) duration_ms: Option<u64>,
    pub(super) downtime_ms: Option<u64>,
    pub(super) agent_version: Option<String>,
    pub(super) runtime_env: Value,
    pub(super) container_settings: Value,
    pub(super) steps: Vec<StepStory>,
}

impl Story {
    pub(super) fn began(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(&self.started_at, &Rfc3339).ok()
    }

    /// The best name of who asked.
    pub(super) fn by(&self) -> &str {
        let name = |key| self.requester.get(key).and_then(Value::as_str);
        name("common_name")
            .or_else(|| name("client_id"))
            .unwrap_or("-")
    }
}

/// Operations whose outcome has not come by yet.
#[derive(Default)]
pub(super) struct Stories(Vec<Story>);

impl Stories {
    /// Takes a record; gives the story that it ends, if it ends one.
    pub(super) fn take(&mut self, record: &Value) -> impl Iterator<Item = Story> + use<> {
        self.step(record).into_iter()
    }

    /// The stories without an end.
    pub(super) fn open(&self) -> impl Iterator<Item = Story> {
        self.0.iter().cloned().map(|story| Story {
            outcome: "running".to_owned(),
            ..story
        })
    }

    fn step(&mut self, record: &Value) -> Option<Story> {
        let operation = text(record, "operation").unwrap_or_default();
        match record["event"].as_str()? {
            "operation_started" => {
                self.0.push(begun(record, operation));
                None
            }
            "step_ended" => {
                let story = self
                    .0
                    .iter_mut()
                    .find(|story| story.operation == operation)?;
                story.steps.push(StepStory {
                    step: text(record, "step")?,
                    outcome: text(record, "outcome")?,
                    duration_ms: record["duration_ms"].as_u64(),
                    detail: text(record, "detail"),
                });
                None
            }
            "operation_ended" => Some(ended(self.remove(&operation, record), record)),
            "operation_interrupted" => {
                let story = self.remove(&operation, record);
                Some(Story {
                    outcome: "interrupted".to_owned(),
                    failed_step: text(record, "last_step"),
                    state: text(record, "state"),
                    container_id: text(record, "container_id"),
                    ..story
                })
            }
            "rejected" => Some(Story {
                kind: "rejected".to_owned(),
                started_at: text(record, "at").unwrap_or_default(),
                outcome: "rejected".to_owned(),
                http: record["http"].as_u64(),
                reason: text(record, "reason"),
                failed_step: text(record, "request"),
                requester: record["requester"].clone(),
                ..Story::default()
            }),
            _ => None,
        }
    }

    /// The story so far; a record whose beginning was taken away still makes one.
    fn remove(&mut self, operation: &str, record: &Value) -> Story {
        let found = self.0.iter().position(|story| story.operation == operation);
        match found {
            Some(index) => self.0.remove(index),
            None => begun(record, operation.to_owned()),
        }
    }
}

fn begun(record: &Value, operation: String) -> Story {
    Story {
        operation,
        kind: text(record, "kind").unwrap_or_default(),
        started_at: text(record, "at").unwrap_or_default(),
        image: text(record, "image"),
        requester: record["requester"].clone(),
        environment_asked: text(record, "environment_asked"),
        queue_wait_ms: record["queue_wait_ms"].as_u64(),
        agent_version: text(record, "agent_version"),
        ..Story::default()
    }
}

fn ended(story: Story, record: &Value) -> Story {
    Story {
        outcome: text(record, "outcome").unwrap_or_default(),
        http: record["http"].as_u64(),
        digest: text(record, "digest"),
        image_id: text(record, "image_id"),
        container_id: text(record, "container_id"),
        state: text(record, "state"),
        failed_step: text(record, "failed_step"),
        reason: text(record, "reason"),
        duration_ms: record["duration_ms"].as_u64(),
        downtime_ms: record["downtime_ms"].as_u64(),
        runtime_env: record["runtime_env"].clone(),
        container_settings: record["container_settings"].clone(),
        ..story
    }
}

fn text(record: &Value, field: &str) -> Option<String> {
    record[field].as_str().map(str::to_owned)
}
