//! When no runtime ran, and why: from the end of a process to the next start that held, over as many operations and
//! observations as lie between.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::record::{Line, Text, owned};

#[cfg(test)]
mod tests;

/// So far apart the engine's event of a start and its inspect may put it.
const SAME_START_MS: u64 = 1000;
/// Of what lies before the first look of an agent: none ran, or it could not ask the engine.
const UNWATCHED: &str = "while no agent watched";
/// The same, where nothing tells when: the time that is shown is that of the first look.
const FOUND_SO: &str = "while no agent watched, then or before";

/// A time without a running runtime that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outage {
    /// None if nothing tells.
    pub(crate) since: Option<String>,
    pub(crate) until: String,
    /// None if its begin is not known, a clock was set between, or a time cannot be read.
    pub(crate) ms: Option<u64>,
    pub(crate) cause: String,
}

/// Where the runtime stands.
#[derive(Debug, Clone, Default)]
enum Runtime {
    /// Nothing has told yet.
    #[default]
    Unknown,
    Up(Up),
    Down(Down),
}

/// A runtime that runs.
#[derive(Debug, Clone)]
struct Up {
    /// When its process was started, or seen to run, RFC 3339: what ended before is known.
    since: String,
    container: Option<String>,
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
            Runtime::Unknown | Runtime::Up(_) => None,
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
                "new_running" | "old_running" => {
                    let up_since = line.up_since.as_ref();
                    self.seen_up(up_since.map_or(&line.at, Text::as_str), line)
                }
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
                self.0 = Runtime::Unknown;
            }
            self.begin(since.as_str(), || cause.clone(), line.operation.as_ref());
        } else if let Runtime::Down(down) = &mut self.0
            && down.operation.as_deref() == own
        {
            down.cause.clone_from(&cause);
        }
        if let Some(up) = line.up_since.as_ref() {
            return self.end(up.as_str(), line);
        }
        match text(line.state.as_ref()) {
            // Of a record of 0.1.0, which tells only how long it took.
            "new_running" if succeeded => self.end_after(line),
            "new_running" | "old_running" => self.seen_up(&line.at, line),
            _ => Effect {
                down: self.now().is_some(),
                changes: line.down_since.is_some(),
                over: None,
            },
        }
    }

    fn observed<'l>(&mut self, line: &'l Line<'l>) -> Effect {
        // Of an act that leaves the process as it is, earlier agents wrote the process's times.
        let of_process = |time: Option<&'l Text<'l>>| time.filter(|_| is_of_process(line));
        let acted = line.acted_at.as_ref().map_or(&*line.at, Text::as_str);
        let time = |time| of_process(time).map_or(acted, Text::as_str);
        if line.up {
            let until = time(line.started_at.as_ref());
            let over = self.unseen(line, until);
            let effect = self.end(until, line);
            return over.map_or(effect, Effect::of);
        }
        let observed = text(line.observed.as_ref());
        if observed == "absent" && !matches!(self.0, Runtime::Up(_)) {
            return Effect::default();
        }
        let mut since = time(line.ended_at.as_ref());
        if let Runtime::Up(up) = &self.0
            && between(&up.since, since).is_none()
        {
            // The end of an earlier run.
            since = acted;
        }
        self.begin(since, || in_words(line), None)
    }

    /// The outage of a runtime that ended and runs again, where one record tells both.
    fn unseen(&self, line: &Line<'_>, until: &str) -> Option<Outage> {
        let Runtime::Up(up) = &self.0 else {
            return None;
        };
        let observed = text(line.observed.as_ref());
        let present = observed == "present";
        let container = line.container_id.as_ref().map(Text::as_str);
        if present && up.container.is_some() && up.container.as_deref() != container {
            return Some(Outage {
                since: None,
                until: until.to_owned(),
                ms: None,
                cause: format!("replaced {UNWATCHED}, from when on is not known"),
            });
        }
        let ended = line.ended_at.as_ref().map(Text::as_str);
        // One that lies before is the end of an earlier run.
        let since = ended.filter(|ended| between(&up.since, ended).is_some());
        let again = between(&up.since, until).is_some_and(|ms| ms > SAME_START_MS);
        let cause = match (observed, since) {
            ("present", Some(_)) => format!("ended and started again {UNWATCHED}"),
            // The engine does not know of the end.
            ("present", None) if again => {
                format!("ended and started again {UNWATCHED}, from when on is not known")
            }
            ("restarted", Some(_)) => in_words(line),
            // A loop tells itself how long it was down.
            _ => return None,
        };
        Some(Outage {
            since: since.map(str::to_owned),
            until: until.to_owned(),
            ms: since.and_then(|since| between(since, until)),
            cause,
        })
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

    /// It runs, whatever was known before.
    fn seen_up(&mut self, at: &str, line: &Line<'_>) -> Effect {
        match self.0 {
            // Since when is known better.
            Runtime::Up(_) => Effect::default(),
            Runtime::Unknown | Runtime::Down(_) => self.end(at, line),
        }
    }

    fn end(&mut self, until: &str, line: &Line<'_>) -> Effect {
        let up = Up {
            since: until.to_owned(),
            container: owned(line.container_id.as_ref()),
        };
        let Runtime::Down(down) = std::mem::replace(&mut self.0, Runtime::Up(up)) else {
            return Effect::default();
        };
        Effect::of(Outage {
            ms: between(&down.since, until),
            since: Some(down.since),
            until: until.to_owned(),
            cause: down.cause,
        })
    }

    /// The same where the operation itself tells how long it took.
    fn end_after(&mut self, line: &Line<'_>) -> Effect {
        let mut effect = self.end(&line.at, line);
        if let (Some(outage), Some(ms)) = (&mut effect.over, line.downtime_ms) {
            outage.ms = outage.ms.map(|whole| whole.max(ms)).or(Some(ms));
        }
        effect
    }
}

impl Effect {
    fn of(over: Outage) -> Self {
        Self {
            over: Some(over),
            down: false,
            changes: true,
        }
    }
}

/// What was observed, and by whom.
pub(crate) fn in_words(line: &Line<'_>) -> String {
    let (observed, whence) = match (text(line.observed.as_ref()), text(line.status.as_ref())) {
        ("absent", _) => ("gone", FOUND_SO),
        ("present", "paused") if !line.up => ("paused", FOUND_SO),
        ("present", "created") if !line.up => ("created and not started", FOUND_SO),
        ("present", _) if !line.up => ("ended", UNWATCHED),
        (observed, _) => (observed, ""),
    };
    let observed = format!("{} {whence}", observed.replace('_', " "));
    let observed = observed.trim_end().to_owned();
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

/// Whether the record tells of an end or a start of the process, or of what is there.
fn is_of_process(line: &Line<'_>) -> bool {
    !matches!(
        text(line.observed.as_ref()),
        "created" | "paused" | "renamed" | "signalled" | "unpaused" | "updated"
    )
}

fn text<'l>(text: Option<&'l Text<'_>>) -> &'l str {
    text.map_or("", Text::as_str)
}

fn between(since: &str, until: &str) -> Option<u64> {
    let read = |at: &str| OffsetDateTime::parse(at, &Rfc3339).ok();
    let between = read(until)? - read(since)?;
    u64::try_from(between.whole_milliseconds()).ok()
}
