//! What is the case now, for a person and for a monitor: the runtime, what is being done, how the last operation ended,
//! the freeze, the trail, the engine. Made of what is known already: nothing is waited for.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::audit::LastOperation;
use crate::clock;
use crate::freeze::Frozen;
use crate::operation::OperationDeps;
use crate::runtime::{RuntimeView, Seen};

/// What is the case now. Fields that say nothing are left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Overview {
    /// `dev` or `prod`.
    pub environment: String,
    /// Version and commit of the agent.
    pub agent_version: String,
    /// The runtime container.
    pub runtime: RuntimeOverview,
    /// What is being done: `idle`, or an operation and its step.
    pub activity: String,
    /// The pull that runs ahead of a deploy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulling: Option<String>,
    /// Operations on the runtime that wait behind the running one.
    pub waiting: usize,
    /// The deploy or stop that ended last, as far back as the newest file of the trail goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_operation: Option<LastOperation>,
    /// The deploy that succeeded last, as far back as the newest file of the trail goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_succeeded_deploy: Option<LastOperation>,
    /// Why deploys are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<FreezeOverview>,
    /// Whether images must be signed, and by which keys: `off`, or `enforce, by sha256:…`.
    #[serde(default)]
    pub signatures: String,
    /// The audit trail.
    pub trail: TrailOverview,
    /// The engine.
    pub engine: EngineOverview,
}

/// The runtime container, as it was last seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RuntimeOverview {
    /// The fixed name.
    pub container_name: String,
    /// Whether the engine keeps it up; none while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// As it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Id of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Of the image's source, where the image says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// How often the restart policy brought it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<i64>,
    /// Of one that does not run: since when, RFC 3339, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_since: Option<String>,
    /// What has ended it, in words, where the trail tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_by: Option<String>,
    /// How its last end was, of one that does not run: its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
}

/// A freeze that holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FreezeOverview {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its end, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why it cannot be read; deploys are refused all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// The audit trail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrailOverview {
    /// `SEQ:HASH` of the newest durable record; none while a full disk keeps the trail from being opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Why no operation but a stop may begin now: the trail cannot be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// What was wrong with it when the agent started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<String>,
    /// Why the ledger of tags may not know every tag, and nobody has acknowledged it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
}

/// The engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EngineOverview {
    /// Whether it has shown the container within the bound of the status.
    pub answers: bool,
    /// When it did last, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_answer_at: Option<String>,
    /// How long ago that was, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_answer_age_seconds: Option<u64>,
}

impl Overview {
    /// Gathers what is known. Reads one small file.
    #[must_use]
    pub fn of(deps: &OperationDeps, view: &RuntimeView) -> Self {
        let seen = view.seen();
        let last = deps.trail.last_operations();
        let pulling = deps.pulling.borrow().clone();
        let activity = deps.activity.borrow().to_string();
        let mut runtime = runtime(deps.runtime.container_name.as_str(), seen.as_ref());
        if runtime.running == Some(false) {
            // Over as many operations as have left it down; of an older file of the trail only the engine knows.
            if let Some(down) = last.down() {
                runtime.down_since = Some(down.since.clone());
                runtime.down_by = Some(down.cause.clone());
            }
        }
        Self {
            environment: deps.environment.to_string(),
            agent_version: crate::VERSION.to_owned(),
            runtime,
            activity,
            pulling: pulling.operation.is_some().then(|| pulling.to_string()),
            waiting: deps.admission.waiting(),
            last_operation: last.any,
            last_succeeded_deploy: last.succeeded_deploy,
            freeze: deps.freeze.frozen(OffsetDateTime::now_utc()).map(freeze),
            signatures: deps.signatures.to_string(),
            trail: TrailOverview {
                head: deps.trail.is_open().then(|| deps.trail.head().to_string()),
                trouble: deps.trail.trouble().borrow().clone(),
                damage: deps.trail.damage().to_vec(),
                doubts: deps
                    .trail
                    .doubts()
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            },
            engine: engine(seen.as_ref()),
        }
    }

    /// `off`, `warn` or `enforce`, without the keys.
    #[must_use]
    pub fn signature_policy(&self) -> &str {
        self.signatures.split(',').next().unwrap_or_default()
    }

    /// One line: `1.0.1 up since 2026-01-31T18:00:00Z; deploy 1.0.1 succeeded at …`.
    #[must_use]
    pub fn line(&self) -> String {
        let runtime = &self.runtime;
        let tag = runtime.image.as_deref().map_or("the runtime", tag);
        let is = match (runtime.running, &runtime.started_at, &runtime.down_since) {
            (Some(true), Some(since), _) => format!("{tag} up since {}", seconds(since)),
            (Some(true), None, _) => format!("{tag} up"),
            (Some(false), _, Some(since)) => format!("no runtime runs since {}", seconds(since)),
            (Some(false), _, None) => "no runtime runs".to_owned(),
            (None, ..) => "whether the runtime runs is unknown".to_owned(),
        };
        let last = self.last_operation.as_ref().map_or_else(
            || "no operation yet".to_owned(),
            |last| {
                let what = last.image.as_deref().map(tag_of).unwrap_or_default();
                let at = seconds(&last.ended_at);
                format!("{}{what} {} at {at}", last.kind, last.outcome)
            },
        );
        let frozen = match &self.freeze {
            Some(FreezeOverview {
                until: Some(until), ..
            }) => format!("; frozen until {until}"),
            Some(_) => "; frozen".to_owned(),
            None => String::new(),
        };
        let signed = match self.signature_policy() {
            // What is not asked for takes no place.
            "" | "off" => String::new(),
            policy => format!("; signatures: {policy}"),
        };
        format!("{is}; {last}{frozen}{signed}")
    }
}

fn tag(image: &str) -> &str {
    image.rsplit_once(':').map_or(image, |(_, tag)| tag)
}

/// A time of RFC 3339 in UTC without its fraction.
fn seconds(at: &str) -> String {
    match at.split_once('.') {
        Some((whole, fraction)) if fraction.ends_with('Z') => format!("{whole}Z"),
        _ => at.to_owned(),
    }
}

fn tag_of(image: &str) -> String {
    format!(" {}", tag(image))
}

fn runtime(name: &str, seen: Option<&Seen>) -> RuntimeOverview {
    let seen = seen.filter(|seen| seen.fresh);
    let observed = seen.and_then(|seen| seen.observed.as_ref());
    let up = observed.is_some_and(crate::engine::Observed::is_kept_up);
    // Of one that is paused the engine shows the end of an earlier run.
    let ended = observed.filter(|observed| !up && observed.status.has_ended());
    RuntimeOverview {
        container_name: name.to_owned(),
        running: seen.map(|_| up),
        image: observed.map(|observed| observed.image.clone()),
        image_id: observed.map(|observed| observed.image_id.as_str().to_owned()),
        revision: observed.and_then(|observed| observed.revision.clone()),
        started_at: observed.and_then(|observed| observed.started_at.clone()),
        restarts: observed.map(|observed| observed.restart_count),
        down_since: ended.and_then(|ended| ended.finished_at.clone()),
        down_by: None,
        exit_code: ended
            .filter(|ended| ended.finished_at.is_some())
            .map(|ended| ended.exit_code),
    }
}

fn freeze(frozen: Frozen) -> FreezeOverview {
    let none = FreezeOverview {
        reason: None,
        until: None,
        by: None,
        unreadable: None,
    };
    match frozen {
        Frozen::Until { reason, until, by } => FreezeOverview {
            reason: Some(reason),
            until: Some(until),
            by: Some(by),
            ..none
        },
        Frozen::Unreadable(problem) => FreezeOverview {
            unreadable: Some(problem),
            ..none
        },
    }
}

fn engine(seen: Option<&Seen>) -> EngineOverview {
    EngineOverview {
        answers: seen.is_some_and(|seen| seen.fresh),
        last_answer_at: seen.map(|seen| clock::rfc3339(seen.at)),
        last_answer_age_seconds: seen.map(|seen| seen.age.as_secs()),
    }
}
