//! What records amount to: each trail is told by the fields that count.

use serde_json::{Value, json};

use super::{Effect, Outages};
use crate::audit::record::Line;

const OLD: &str = "0ld";

/// Follows records, and keeps what the last of them meant.
#[derive(Default)]
struct Told {
    outages: Outages,
    last: Effect,
}

impl Told {
    /// A deploy whose container was started at 10:00.
    fn deployed() -> Self {
        let mut told = Self::default();
        told.takes(&json!({
            "event": "operation_ended", "kind": "deploy", "outcome": "succeeded",
            "operation": "o1", "state": "new_running", "container_id": OLD,
            "up_since": at("10:00:00"), "at": at("10:00:01"),
        }));
        told
    }

    fn takes(&mut self, record: &Value) {
        let mut whole = json!({"v": 1, "seq": 1, "agent_version": "x", "prev": ""});
        let (all, more) = (whole.as_object_mut(), record.as_object());
        all.expect("JSON of a record")
            .extend(more.expect("JSON of a record").clone());
        let line = serde_json::to_vec(&whole).expect("JSON of a record");
        self.last = self
            .outages
            .take(&Line::parse(&line).expect("JSON of a record"));
    }

    fn observes(&mut self, at_time: &str, observed: &str, more: &Value) {
        let mut record = json!({
            "event": "runtime_observed", "observed": observed, "by": "unknown",
            "container_id": OLD, "at": at(at_time),
        });
        record
            .as_object_mut()
            .expect("JSON of a record")
            .extend(more.as_object().expect("JSON of a record").clone());
        self.takes(&record);
    }

    /// The outage that the last record ended: since, until, milliseconds, cause.
    fn over(&self) -> Option<(Option<&str>, &str, Option<u64>, &str)> {
        let outage = self.last.over.as_ref()?;
        let since = outage.since.as_deref();
        Some((since, &outage.until, outage.ms, &outage.cause))
    }

    /// The one that is not over: since and cause.
    fn down(&self) -> Option<(&str, &str)> {
        let down = self.outages.now()?;
        Some((&down.since, &down.cause))
    }
}

fn at(time: &str) -> String {
    format!("2026-01-01T{time}Z")
}

#[test]
fn a_runtime_that_ended_and_runs_again_when_an_agent_comes_had_an_outage() {
    let mut told = Told::deployed();
    let (ended, started) = (at("11:00:00.25"), at("11:00:08.5"));
    let present =
        json!({"up": true, "status": "running", "ended_at": ended, "started_at": started});
    told.observes("11:10:00", "present", &present);
    let cause = "ended and started again while no agent watched";
    let outage = Some((Some(&ended[..]), &started[..], Some(8250), cause));
    assert_eq!(told.over(), outage);
    assert!(told.last.changes && told.down().is_none());
    // The next life of the agent sees the same, and nothing new.
    told.observes("11:20:00", "present", &present);
    assert!(told.over().is_none() && !told.last.changes);
}

#[test]
fn a_later_start_without_an_end_before_it_is_an_outage_whose_begin_nobody_knows() {
    let mut told = Told::deployed();
    let started = at("11:00:00");
    let present = json!({
        "up": true, "status": "running", "ended_at": at("09:00:00"), "started_at": started,
    });
    told.observes("11:10:00", "present", &present);
    let cause = "ended and started again while no agent watched, from when on is not known";
    assert_eq!(told.over(), Some((None, &started[..], None, cause)));
}

#[test]
fn an_end_before_the_start_that_is_known_is_none_of_it() {
    let mut told = Told::deployed();
    let present = json!({
        "up": true, "status": "running",
        "ended_at": at("09:00:00"), "started_at": at("09:59:59.99"),
    });
    told.observes("11:10:00", "present", &present);
    assert!(told.over().is_none() && !told.last.changes);
    // Nor of a trail that knows of no runtime before.
    let mut told = Told::default();
    told.observes("11:10:00", "present", &present);
    assert!(told.over().is_none());
}

#[test]
fn a_runtime_that_is_down_when_an_agent_comes_says_what_is_known_of_its_end() {
    let unwatched = "while no agent watched";
    for (observed, fields, since, cause) in [
        (
            "present",
            json!({"status": "exited", "ended_at": at("11:00:00"), "exit_code": 0}),
            "11:00:00",
            format!("ended {unwatched}, exit code 0"),
        ),
        (
            "present",
            json!({"status": "exited", "ended_at": at("11:00:00"), "exit_code": 137, "oom_killed": true}),
            "11:00:00",
            format!("ended {unwatched}, exit code 137, for want of memory"),
        ),
        (
            "present",
            json!({"status": "paused"}),
            "11:10:00",
            format!("paused {unwatched}, then or before"),
        ),
        (
            "present",
            json!({"status": "created", "container_id": "new"}),
            "11:10:00",
            format!("created and not started {unwatched}, then or before"),
        ),
        (
            "absent",
            json!({"container_id": null}),
            "11:10:00",
            format!("gone {unwatched}, then or before"),
        ),
    ] {
        let mut told = Told::deployed();
        told.observes("11:10:00", observed, &fields);
        assert_eq!(told.down(), Some((&at(since)[..], &cause[..])), "{fields}");
        assert!(told.last.down && told.last.changes, "{fields}");
    }
}

#[test]
fn of_a_replaced_container_nothing_tells_when_the_one_before_it_ended() {
    let mut told = Told::deployed();
    let started = at("11:00:00");
    let present = json!({
        "up": true, "status": "running", "container_id": "new", "started_at": started,
    });
    told.observes("11:10:00", "present", &present);
    let cause = "replaced while no agent watched, from when on is not known";
    assert_eq!(told.over(), Some((None, &started[..], None, cause)));
}

#[test]
fn an_interrupted_deploy_that_had_started_ends_the_outage_with_that_start() {
    let mut told = Told::deployed();
    let ended = json!({"event": "predecessor_ended", "operation": "o2", "at": at("11:00:00")});
    told.takes(&ended);
    told.takes(&json!({
        "event": "operation_interrupted", "operation": "o2", "kind": "deploy",
        "state": "new_running", "container_id": "new", "up_since": at("11:00:01"),
        "at": at("11:30:00"),
    }));
    let (since, until) = (at("11:00:00"), at("11:00:01"));
    let cause = "an operation that was interrupted";
    let outage = Some((Some(&since[..]), &until[..], Some(1000), cause));
    assert_eq!(told.over(), outage);
    // It ended once more before that agent came.
    let present = json!({
        "up": true, "status": "running", "container_id": "new",
        "ended_at": at("11:10:00"), "started_at": at("11:10:02"),
    });
    told.observes("11:30:01", "present", &present);
    assert_eq!(told.over().and_then(|(.., ms, _)| ms), Some(2000));
}

/// Whatever the process's own times are: it goes on.
#[test]
fn a_pause_and_a_rename_are_outages_by_the_times_of_their_acts() {
    for (begins, ends) in [("paused", "unpaused"), ("renamed", "renamed")] {
        // As this agent writes it, and as earlier ones did, with times of the run before.
        let stale = json!({"up": false, "ended_at": at("09:00:00"), "started_at": at("09:00:10")});
        let (since, until) = (at("11:00:00"), at("11:00:05"));
        for acted in [true, false] {
            let mut told = Told::deployed();
            let mut down = stale.clone();
            let mut up = json!({"up": true, "started_at": at("09:00:10")});
            if acted {
                (down["acted_at"], up["acted_at"]) = (json!(since), json!(until));
            }
            told.observes("11:00:02", begins, &down);
            told.observes("11:00:07", ends, &up);
            let (.., ms, cause) = told.over().expect("an outage");
            assert_eq!((ms, cause), (Some(5000), begins));
        }
    }
}

#[test]
fn a_restart_is_an_outage_from_its_end_to_its_start() {
    let mut told = Told::deployed();
    let (ended, started) = (at("11:00:00"), at("11:00:01.5"));
    let restarted = json!({
        "up": true, "by": "somebody", "ended_at": ended, "started_at": started, "exit_code": 0,
    });
    told.observes("11:00:10", "restarted", &restarted);
    let cause = "restarted by somebody, exit code 0";
    let outage = Some((Some(&ended[..]), &started[..], Some(1500), cause));
    assert_eq!(told.over(), outage);
}

#[test]
fn an_end_that_is_older_than_the_start_before_it_is_not_believed() {
    let mut told = Told::deployed();
    let removed = json!({"up": false, "ended_at": at("09:00:00")});
    told.observes("11:00:02", "removed", &removed);
    assert_eq!(told.down(), Some((&at("11:00:02")[..], "removed")));
}
