//! What the file says, in Prometheus's text format: no timestamps, one HELP a name, the same for both environments, and
//! labels of few values only.

use std::fmt::{self, Display, Formatter};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::audit::{Counts, KINDS, OUTCOMES};
use crate::overview::Overview;
use crate::signature::SignaturePolicy;

/// Everything that is told at one moment.
pub(super) struct Sample {
    pub(super) overview: Overview,
    pub(super) counts: Counts,
    /// None while the engine does not answer.
    pub(super) images: Option<Images>,
    pub(super) free: Option<u64>,
}

/// The images of the repository that the engine keeps.
#[derive(Clone, Copy)]
pub(super) struct Images {
    pub(super) count: usize,
    pub(super) bytes: u64,
}

/// A number of one name, with the labels behind the environment's.
type Value<'a> = (Vec<(&'a str, &'a str)>, Option<f64>);

impl Display for Sample {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.runtime(f)?;
        self.operations(f)?;
        self.holds(f)?;
        self.host(f)
    }
}

impl Sample {
    fn runtime(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let runtime = &self.overview.runtime;
        let up = runtime.running.map(flag);
        self.gauge(
            f,
            "runtime_up",
            "Whether the engine keeps the runtime container up; absent while that is not known.",
            up,
        )?;
        let start = runtime.started_at.as_deref().and_then(seconds);
        self.gauge(
            f,
            "runtime_start_time_seconds",
            "When the runtime's process last started, in seconds since 1970.",
            start,
        )?;
        let restarts = runtime.restarts.map(from_i64);
        self.gauge(
            f,
            "runtime_restarts",
            "How often the restart policy brought this container back.",
            restarts,
        )?;
        let down = runtime.down_since.as_deref().and_then(seconds);
        let outage = match runtime.running {
            Some(true) => Some(0.0),
            Some(false) => down.map(|since| (now() - since).max(0.0)),
            None => None,
        };
        self.gauge(
            f,
            "runtime_outage_seconds",
            "How long no runtime has been running; 0 while one is.",
            outage,
        )
    }

    fn operations(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let ended = KINDS.iter().flat_map(|kind| {
            OUTCOMES.iter().map(|outcome| {
                let labels = vec![("kind", *kind), ("outcome", *outcome)];
                (labels, Some(from_u64(counts.ended(kind, outcome))))
            })
        });
        self.family(
            f,
            "operations_total",
            "counter",
            "Operations that ended, by kind and outcome.",
            ended,
        )?;
        let deploy = self.overview.last_succeeded_deploy.as_ref();
        let success = deploy.and_then(|last| seconds(&last.ended_at));
        self.gauge(
            f,
            "last_success_time_seconds",
            "When a deploy last succeeded, in seconds since 1970.",
            success,
        )?;
        let last = self.overview.last_operation.as_ref();
        let failed = last.map(|last| flag(last.outcome != "succeeded"));
        self.gauge(
            f,
            "last_operation_failed",
            "Whether the last deploy or stop did not succeed.",
            failed,
        )?;
        let durations = KINDS.iter().flat_map(|kind| {
            let labels = || vec![("kind", *kind)];
            let (count, millis) = counts.durations(kind);
            [
                ("_sum", labels(), Some(from_millis(millis))),
                ("_count", labels(), Some(from_u64(count))),
            ]
        });
        self.summary(
            f,
            "operation_duration_seconds",
            "How long operations took from their arrival.",
            durations,
        )?;
        let (count, millis) = counts.downtimes();
        let downtimes = [
            ("_sum", Vec::new(), Some(from_millis(millis))),
            ("_count", Vec::new(), Some(from_u64(count))),
        ];
        self.summary(
            f,
            "operation_downtime_seconds",
            "How long no runtime ran during deploys that replaced one.",
            downtimes,
        )?;
        let running = flag(self.overview.activity != "idle");
        self.gauge(
            f,
            "operation_running",
            "Whether an operation runs.",
            Some(running),
        )?;
        let waiting = from_usize(self.overview.waiting);
        self.gauge(
            f,
            "operations_waiting",
            "Operations on the runtime that wait behind it.",
            Some(waiting),
        )
    }

    fn holds(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let freeze = self.overview.freeze.as_ref();
        self.gauge(
            f,
            "frozen",
            "Whether deploys are frozen.",
            Some(flag(freeze.is_some())),
        )?;
        let until = freeze.and_then(|freeze| freeze.until.as_deref());
        self.gauge(
            f,
            "freeze_end_time_seconds",
            "When the freeze ends, in seconds since 1970.",
            until.and_then(seconds),
        )?;
        let policies = SignaturePolicy::ALL.map(|policy| {
            let holds = self.overview.signature_policy() == policy.as_str();
            (vec![("policy", policy.as_str())], Some(flag(holds)))
        });
        self.family(
            f,
            "signature_policy",
            "gauge",
            "Which policy of signatures holds.",
            policies,
        )?;
        let trail = &self.overview.trail;
        let head = trail.head.split(':').next().unwrap_or_default();
        self.gauge(
            f,
            "trail_head",
            "Sequence number of the newest record of the audit trail.",
            head.parse().ok(),
        )?;
        let damage = from_usize(trail.damage.len());
        self.gauge(
            f,
            "trail_damage",
            "What was found wrong with the audit trail when the agent started.",
            Some(damage),
        )
    }

    fn host(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let engine = &self.overview.engine;
        self.gauge(
            f,
            "engine_answers",
            "Whether the Docker engine shows the container within the bound of the status.",
            Some(flag(engine.answers)),
        )?;
        let age = engine.last_answer_age_seconds.map(from_u64);
        self.gauge(
            f,
            "view_age_seconds",
            "How long ago the engine last showed the container.",
            age,
        )?;
        let images = self.images;
        self.gauge(
            f,
            "images",
            "Images of the repository that the engine keeps.",
            images.map(|images| from_usize(images.count)),
        )?;
        self.gauge(
            f,
            "images_bytes",
            "Their bytes, shared layers counted once an image.",
            images.map(|images| from_u64(images.bytes)),
        )?;
        self.gauge(
            f,
            "state_disk_free_bytes",
            "Free space on the disk of the state directory.",
            self.free.map(from_u64),
        )?;
        let version = [(
            vec![("version", self.overview.agent_version.as_str())],
            Some(1.0),
        )];
        self.family(
            f,
            "agent_info",
            "gauge",
            "The agent that wrote this.",
            version,
        )
    }

    fn gauge(
        &self,
        f: &mut Formatter<'_>,
        name: &str,
        help: &str,
        value: Option<f64>,
    ) -> fmt::Result {
        self.family(f, name, "gauge", help, [(Vec::new(), value)])
    }

    fn family<'a>(
        &self,
        f: &mut Formatter<'_>,
        name: &str,
        kind: &str,
        help: &str,
        values: impl IntoIterator<Item = Value<'a>>,
    ) -> fmt::Result {
        head(f, name, kind, help)?;
        for (labels, value) in values {
            self.line(f, name, "", &labels, value)?;
        }
        Ok(())
    }

    fn summary<'a>(
        &self,
        f: &mut Formatter<'_>,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (&'static str, Vec<(&'a str, &'a str)>, Option<f64>)>,
    ) -> fmt::Result {
        head(f, name, "summary", help)?;
        for (part, labels, value) in values {
            self.line(f, name, part, &labels, value)?;
        }
        Ok(())
    }

    /// What is not known is left out.
    fn line(
        &self,
        f: &mut Formatter<'_>,
        name: &str,
        part: &str,
        labels: &[(&str, &str)],
        value: Option<f64>,
    ) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        let environment = &self.overview.environment;
        write!(
            f,
            "dreichor_{name}{part}{{environment=\"{}\"",
            escaped(environment)
        )?;
        for (label, text) in labels {
            write!(f, ",{label}=\"{}\"", escaped(text))?;
        }
        writeln!(f, "}} {value}")
    }
}

fn head(f: &mut Formatter<'_>, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(
        f,
        "# HELP dreichor_{name} {help}\n# TYPE dreichor_{name} {kind}"
    )
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn seconds(at: &str) -> Option<f64> {
    let at = OffsetDateTime::parse(at, &Rfc3339).ok()?;
    Some(from_i64(at.unix_timestamp()))
}

fn now() -> f64 {
    from_i64(OffsetDateTime::now_utc().unix_timestamp())
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format knows only these numbers"
)]
fn from_u64(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format knows only these numbers"
)]
fn from_i64(number: i64) -> f64 {
    number as f64
}

fn from_usize(number: usize) -> f64 {
    from_u64(u64::try_from(number).unwrap_or(u64::MAX))
}

fn from_millis(millis: u64) -> f64 {
    from_u64(millis) / 1000.0
}
