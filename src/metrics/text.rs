//! What the file says: every metric with its help.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::lines::{Lines, from_i64, from_millis, from_u64, from_usize};
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

impl Sample {
    /// The whole file.
    pub(super) fn to_text(&self) -> String {
        let mut to = Lines::of(&self.overview.environment);
        self.runtime(&mut to);
        self.operations(&mut to);
        self.holds(&mut to);
        self.host(&mut to);
        to.into_text()
    }

    fn runtime(&self, to: &mut Lines) {
        let runtime = &self.overview.runtime;
        let up = runtime.running.map(flag);
        to.gauge(
            "runtime_up",
            "Whether the engine keeps the runtime container up; absent while that is not known.",
            up,
        );
        let start = runtime.started_at.as_deref().and_then(seconds);
        to.gauge(
            "runtime_start_time_seconds",
            "When the runtime's process last started, in seconds since 1970.",
            start,
        );
        let restarts = runtime.restarts.map(from_i64);
        to.gauge(
            "runtime_restarts",
            "How often the restart policy brought this container back.",
            restarts,
        );
        let down = runtime.down_since.as_deref().and_then(seconds);
        let outage = match runtime.running {
            Some(true) => Some(0.0),
            Some(false) => down.map(|since| (now() - since).max(0.0)),
            None => None,
        };
        to.gauge(
            "runtime_outage_seconds",
            "How long no runtime has been running; 0 while one is.",
            outage,
        );
    }

    fn operations(&self, to: &mut Lines) {
        let counts = &self.counts;
        let ended = KINDS.iter().flat_map(|kind| {
            OUTCOMES.iter().map(|outcome| {
                let labels = vec![("kind", *kind), ("outcome", *outcome)];
                (labels, Some(from_u64(counts.ended(kind, outcome))))
            })
        });
        to.family(
            "operations_total",
            "counter",
            "Operations that ended, by kind and outcome.",
            ended,
        );
        let deploy = self.overview.last_succeeded_deploy.as_ref();
        let success = deploy.and_then(|last| seconds(&last.ended_at));
        to.gauge(
            "last_success_time_seconds",
            "When a deploy last succeeded, in seconds since 1970.",
            success,
        );
        let last = self.overview.last_operation.as_ref();
        let failed = last.map(|last| flag(last.outcome != "succeeded"));
        to.gauge(
            "last_operation_failed",
            "Whether the last deploy or stop did not succeed.",
            failed,
        );
        let durations = KINDS.iter().flat_map(|kind| {
            let labels = || vec![("kind", *kind)];
            let (count, millis) = counts.durations(kind);
            [
                ("_sum", labels(), Some(from_millis(millis))),
                ("_count", labels(), Some(from_u64(count))),
            ]
        });
        to.summary(
            "operation_duration_seconds",
            "How long operations took from their arrival.",
            durations,
        );
        let (count, millis) = counts.downtimes();
        let downtimes = [
            ("_sum", Vec::new(), Some(from_millis(millis))),
            ("_count", Vec::new(), Some(from_u64(count))),
        ];
        to.summary(
            "operation_downtime_seconds",
            "How long no runtime ran during deploys that replaced one.",
            downtimes,
        );
        let running = flag(self.overview.activity != "idle");
        to.gauge(
            "operation_running",
            "Whether an operation runs.",
            Some(running),
        );
        let waiting = from_usize(self.overview.waiting);
        to.gauge(
            "operations_waiting",
            "Operations on the runtime that wait behind it.",
            Some(waiting),
        );
    }

    fn holds(&self, to: &mut Lines) {
        let freeze = self.overview.freeze.as_ref();
        to.gauge(
            "frozen",
            "Whether deploys are frozen.",
            Some(flag(freeze.is_some())),
        );
        let until = freeze.and_then(|freeze| freeze.until.as_deref());
        to.gauge(
            "freeze_end_time_seconds",
            "When the freeze ends, in seconds since 1970.",
            until.and_then(seconds),
        );
        let policies = SignaturePolicy::ALL.map(|policy| {
            let holds = self.overview.signature_policy() == policy.as_str();
            (vec![("policy", policy.as_str())], Some(flag(holds)))
        });
        to.family(
            "signature_policy",
            "gauge",
            "Which policy of signatures holds.",
            policies,
        );
        let trail = &self.overview.trail;
        let head = trail
            .head
            .as_deref()
            .and_then(|head| head.split(':').next());
        to.gauge(
            "trail_head",
            "Sequence number of the newest record of the audit trail.",
            head.and_then(|seq| seq.parse().ok()),
        );
        to.gauge(
            "trail_writable",
            "Whether the audit trail can be written; while it cannot, no operation but a stop begins.",
            Some(flag(trail.trouble.is_none())),
        );
        let damage = from_usize(trail.damage.len());
        to.gauge(
            "trail_damage",
            "What was found wrong with the audit trail when the agent started.",
            Some(damage),
        );
    }

    fn host(&self, to: &mut Lines) {
        let engine = &self.overview.engine;
        to.gauge(
            "engine_answers",
            "Whether the Docker engine shows the container within the bound of the status.",
            Some(flag(engine.answers)),
        );
        let age = engine.last_answer_age_seconds.map(from_u64);
        to.gauge(
            "view_age_seconds",
            "How long ago the engine last showed the container.",
            age,
        );
        let images = self.images;
        to.gauge(
            "images",
            "Images of the repository that the engine keeps.",
            images.map(|images| from_usize(images.count)),
        );
        to.gauge(
            "images_bytes",
            "Their bytes, shared layers counted once an image.",
            images.map(|images| from_u64(images.bytes)),
        );
        to.gauge(
            "state_disk_free_bytes",
            "Free space on the disk of the state directory.",
            self.free.map(from_u64),
        );
        let version = [(
            vec![("version", self.overview.agent_version.as_str())],
            Some(1.0),
        )];
        to.family("agent_info", "gauge", "The agent that wrote this.", version);
    }
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
