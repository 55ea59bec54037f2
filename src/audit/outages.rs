//! When no runtime ran, and why: from the end of a process to the next start that held, over as many operations and
//! observations as lie between.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::record::{Line, Text};

/// A time without a running runtime that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) since: String,
    pub(crate) until: String,
    /// None if a clock was set between, or a time cannot be read.
    pub(crate) ms: Option<u64>,
    pub(crate) cause: String,
}

/// Where the runtime stands.
#[derive(Debug, Clone, Default)]
enum Runtime {
    /// Nothing has told yet.
    #[default]
    Unknown,
    Up,
    Down(Down),
}

/// A time without a running runtime that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// Since when, RFC 3339.
    pub since: String,
    /// What ended the runtime, in words.
    pub cause: String,
    /// Begun by an operation, this one.
    operation: Option<String>,
}

/// What one record meant for the runtime.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    /// It ended an outage.
    pub(crate) over: Option<Outage>,
    /// No runtime runs after it, and it says so.
    pub(crate) down: bool,
    /// It began or ended an outage.
    pub(crate) changes: bool,
}

/// Follows the runtime through a trail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outages(Runtime);

impl Outages {
    /// The outage that is not over.
    pub(crate) fn now(&self) -> Option<&Down> {
        match &self.0 {
            Runtime::Down(down) => Some(down),
            Runtime::Unknown | Runtime::Up => None,
        }
    }

    /// Goes on by one record.
    pub(crate) fn take(&mut self, line: &Line<'_>) -> Effect {
        match line.event.as_ref() {
            "predecessor_ended" => {
                let cause = || "an operation that was interrupted".to_owned();
                self.begin(&line.at, cause, line.operation.as_ref());
                Effect::default()
            }
            "operation_ended" => self.operation(line),
            "operation_interrupted" => match text(line.state.as_ref()) {
                "new_running" | "old_running" => self.end(&line.at),
                "nothing" | "old_stopped" | "new_created" | "new_exited" => {
                    let cause = || format!("{} that was interrupted", text(line.kind.as_ref()));
                    self.begin(&line.at, cause, line.operation.as_ref())
                }
                _ => Effect::default(),
            },
            "runtime_observed" => self.observed(line),
            _ => Effect::default(),
        }
    }

    fn operation(&mut self, line: &Line<'_>) -> Effect {
        let kind = text(line.kind.as_ref());
        if !matches!(kind, "deploy" | "stop") {
            return Effect::default();
        }
        let tag = text(line.image.as_ref())
            .rsplit_once(':')
            .map_or("", |(_, tag)| tag);
        let succeeded = text(line.outcome.as_ref()) == "succeeded";
        let did = if succeeded { "" } else { " that failed" };
        let cause = format!("{kind} {tag}").trim_end().to_owned() + did;
        let own = line.operation.as_ref().map(Text::as_str);
        if let Some(since) = line.down_since.as_ref() {
            // Its own record of the predecessor's end came a moment later.
            if self
                .now()
                .is_some_and(|down| down.operation.as_deref() == own)
            {
                self.0 = Runtime::Up;
            }
            self.begin(since.as_str(), || cause.clone(), line.operation.as_ref());
        } else if let Runtime::Down(down) = &mut self.0
            && down.operation.as_deref() == own
        {
            down.cause.clone_from(&cause);
        }
        if let Some(up) = line.up_since.as_ref() {
            return self.end(up.as_str());
        }
        match text(line.state.as_ref()) {
            // Of a record of 0.1.0, which tells only how long it took.
            "new_running" if succeeded => self.end_after(&line.at, line.downtime_ms),
            "new_running" | "old_running" => self.end(&line.at),
            _ => Effect {
                down: self.now().is_some(),
                changes: line.down_since.is_some(),
                over: None,
            },
        }
    }

    fn observed(&mut self, line: &Line<'_>) -> Effect {
        let at = |text: Option<&Text<'_>>| text.map_or(line.at.as_ref(), Text::as_str).to_owned();
        if line.up {
            return self.end(&at(line.started_at.as_ref()));
        }
        let observed = text(line.observed.as_ref());
        if observed == "absent" && !matches!(self.0, Runtime::Up) {
            return Effect::default();
        }
        self.begin(&at(line.ended_at.as_ref()), || in_words(line), None)
    }

    fn begin(
        &mut self,
        since: &str,
        cause: impl FnOnce() -> String,
        operation: Option<&Text<'_>>,
    ) -> Effect {
        let changes = self.now().is_none();
        if changes {
            self.0 = Runtime::Down(Down {
                since: since.to_owned(),
                cause: cause(),
                operation: operation.map(|id| id.as_str().to_owned()),
            });
        }
        Effect {
            down: true,
            changes,
            over: None,
        }
    }

    fn end(&mut self, until: &str) -> Effect {
        let Runtime::Down(down) = std::mem::replace(&mut self.0, Runtime::Up) else {
            return Effect::default();
        };
        let ms = between(&down.since, until);
        Effect {
            down: false,
            changes: true,
            over: Some(Outage {
                since: down.since,
                until: until.to_owned(),
                ms,
                cause: down.cause,
            }),
        }
    }

    /// The same where the operation itself tells how long it took.
    fn end_after(&mut self, until: &str, downtime_ms: Option<u64>) -> Effect {
        let mut effect = self.end(until);
        if let (Some(outage), Some(ms)) = (&mut effect.over, downtime_ms) {
            outage.ms = outage.ms.map(|whole| whole.max(ms)).or(Some(ms));
        }
        effect
    }
}

/// What was observed, and by whom.
pub(crate) fn in_words(line: &Line<'_>) -> String {
    let observed = text(line.observed.as_ref()).replace('_', " ");
    let by = text(line.by.as_ref()).replace('_', " ");
    let mut words = match by.as_str() {
        "unknown" | "" => observed,
        by => format!("{observed} by {by}"),
    };
    if let Some(count) = line.count {
        words += &format!(", {count} times");
    }
    if let Some(code) = line.exit_code {
        words += &format!(", exit code {code}");
    }
    if line.oom_killed {
        words += ", for want of memory";
    }
    words
}

fn text<'l>(text: Option<&'l Text<'_>>) -> &'l str {
    text.map_or("", Text::as_str)
}

fn between(since: &str, until: &str) -> Option<u64> {
    let read = |at: &str| OffsetDateTime::parse(at, &Rfc3339).ok();
    let between = read(until)? - read(since)?;
    u64::try_from(between.whole_milliseconds()).ok()
}
