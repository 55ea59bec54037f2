//! What a slow host does to the events: they come late, and far from each other.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::time::Instant;

use super::Observer;
use crate::audit::RuntimeObserved;
use crate::engine::{ContainerEvent, ContainerStatus, EventAction, Observed};
use crate::runtime::changes::Whereabouts;

const OURS: &str = "ours";

/// An observer that has seen the container run, and a clock.
struct Told {
    observer: Observer,
    begun: Instant,
    now: Instant,
    shown: Option<Observed>,
    records: Vec<RuntimeObserved>,
}

impl Told {
    fn of_a_running_one() -> Self {
        let now = Instant::now();
        let mut told = Self {
            observer: Observer::new(OURS.to_owned(), Arc::new(AtomicBool::new(false))),
            begun: now,
            now,
            shown: Some(Observed::sample(ContainerStatus::Running)),
            records: Vec::new(),
        };
        told.observer.see(told.shown.as_ref(), told.now);
        told
    }

    fn shows(&mut self, status: ContainerStatus) {
        self.shown = Some(Observed::sample(status));
    }

    fn event(&mut self, action: EventAction) {
        self.event_of(OURS, action);
    }

    /// An event of the container under this name, which tells the time of this clock, too.
    fn event_of(&mut self, name: &str, action: EventAction) {
        let passed = self.now.duration_since(self.begun).as_nanos();
        let event = ContainerEvent {
            container: "0".repeat(64),
            name: name.to_owned(),
            at_nanos: i64::try_from(passed).ok(),
            action,
        };
        if self.observer.concerns(&event) {
            self.observer.take(&event, self.now);
        }
    }

    fn renamed(&mut self, from: &str, to: &str) {
        let from = from.to_owned();
        self.event_of(to, EventAction::Renamed { from });
        let there = Some(Observed::sample(ContainerStatus::Running));
        self.shown = there.filter(|_| to == OURS);
    }

    /// Lets time pass as the watcher does: whatever is due meanwhile is concluded from what the engine shows now.
    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.observer.due().filter(|due| *due <= end) {
            self.now = due;
            let records =
                self.observer
                    .conclude(self.shown.as_ref(), Whereabouts::Unknown, self.now);
            self.records.extend(records);
        }
        self.now = end;
    }

    fn words(&self) -> Vec<String> {
        let words = |record: &RuntimeObserved| format!("{:?} {:?}", record.observed, record.by);
        self.records.iter().map(words).collect()
    }
}

/// What each record says of its act: the word, whether the runtime ran after it, and the second of the act.
fn acts(records: &[RuntimeObserved]) -> Vec<String> {
    let second = |at: &Option<String>| {
        let at = at.as_deref().expect("a time");
        at.rsplit_once(':').expect("a time").1[..2].to_owned()
    };
    let words = |record: &RuntimeObserved| {
        let (what, up) = (record.observed, record.up);
        format!("{what:?} {up} {}", second(&record.acted_at))
    };
    records.iter().map(words).collect()
}

fn signal(number: &str) -> EventAction {
    EventAction::Signalled {
        signal: Some(number.to_owned()),
    }
}

const DIED: EventAction = EventAction::Died {
    exit_code: Some(137),
};

#[test]
fn a_restart_whose_start_comes_late_is_one_act() {
    let mut told = Told::of_a_running_one();
    told.event(signal("15"));
    told.event(DIED);
    told.shows(ContainerStatus::Exited);
    told.pass(5);
    told.event(EventAction::Stopped);
    told.pass(6);
    assert_eq!(told.words(), Vec::<String>::new());
    told.shows(ContainerStatus::Running);
    told.event(EventAction::Started);
    told.event(EventAction::Restarted);
    told.pass(20);
    assert_eq!(told.words(), ["Restarted Somebody"]);
}

#[test]
fn a_stop_and_a_kill_are_told_although_no_start_follows() {
    for (last, expected) in [
        (None, "Killed Somebody"),
        (Some(EventAction::Stopped), "Stopped Somebody"),
    ] {
        let mut told = Told::of_a_running_one();
        told.event(signal("9"));
        told.event(DIED);
        told.shows(ContainerStatus::Exited);
        last.into_iter().for_each(|last| told.event(last));
        told.pass(10);
        assert_eq!(told.words(), [expected]);
    }
}

/// As engines from 26 on may tell it.
#[test]
fn a_stop_that_is_told_before_the_end_is_the_same_act() {
    let mut told = Told::of_a_running_one();
    told.event(signal("15"));
    told.event(signal("9"));
    told.event(EventAction::Stopped);
    told.event(DIED);
    told.shows(ContainerStatus::Exited);
    told.pass(10);
    assert_eq!(told.words(), ["Stopped Somebody"]);
}

#[test]
fn a_restart_whose_stop_is_told_before_its_end_is_one_act() {
    let mut told = Told::of_a_running_one();
    told.event(signal("15"));
    told.event(EventAction::Stopped);
    told.event(DIED);
    told.shows(ContainerStatus::Exited);
    told.pass(5);
    told.shows(ContainerStatus::Running);
    told.event(EventAction::Started);
    told.event(EventAction::Restarted);
    told.pass(20);
    assert_eq!(told.words(), ["Restarted Somebody"]);
}

#[test]
fn an_inspect_that_is_ahead_of_the_events_gives_them_time() {
    let mut told = Told::of_a_running_one();
    told.event(EventAction::Paused);
    told.event(EventAction::Unpaused);
    told.shows(ContainerStatus::Paused);
    told.pass(3);
    assert_eq!(told.words(), Vec::<String>::new());
    told.event(EventAction::Paused);
    told.pass(3);
    let paused = "Paused Somebody";
    assert_eq!(told.words(), [paused, "Unpaused Somebody", paused]);
}

#[test]
fn what_no_event_tells_is_told_all_the_same_and_only_once() {
    let mut told = Told::of_a_running_one();
    told.event(EventAction::Paused);
    told.event(EventAction::Unpaused);
    told.shows(ContainerStatus::Exited);
    told.pass(20);
    assert_eq!(
        told.words(),
        ["Paused Somebody", "Unpaused Somebody", "Ended Unknown"]
    );
}

#[test]
fn a_flow_without_a_pause_is_told_within_two_minutes() {
    let mut told = Told::of_a_running_one();
    for _ in 0..61 {
        told.event(EventAction::Paused);
        told.pass(1);
        told.event(EventAction::Unpaused);
        told.pass(1);
    }
    assert!(told.words().len() > 100, "{}", told.words().len());
}

/// The container had been restarted before: what the engine shows of its process is of no account to these acts.
#[test]
fn acts_that_leave_the_process_alone_say_when_they_were_and_nothing_of_it() {
    let mut told = Told::of_a_running_one();
    let shows = |told: &mut Told, status| {
        let finished = Some("2025-12-31T23:00:00Z".to_owned());
        told.shown = Some(Observed {
            finished_at: finished,
            ..Observed::sample(status)
        });
    };
    told.event(EventAction::Paused);
    shows(&mut told, ContainerStatus::Paused);
    told.pass(5);
    told.event(EventAction::Unpaused);
    shows(&mut told, ContainerStatus::Running);
    told.pass(5);
    told.event(EventAction::Updated);
    told.pass(5);
    told.event(signal("10"));
    told.pass(5);
    told.renamed(OURS, "aside");
    told.pass(5);
    told.renamed("aside", OURS);
    told.pass(5);
    assert_eq!(
        acts(&told.records),
        [
            "Paused false 00",
            "Unpaused true 05",
            "Updated true 10",
            "Signalled true 15",
            "Renamed false 20",
            "Renamed true 25"
        ]
    );
    for record in &told.records {
        assert_eq!((&record.ended_at, &record.started_at), (&None, &None));
    }
}

#[test]
fn acts_close_together_keep_their_times_and_what_was_true_at_each() {
    let mut told = Told::of_a_running_one();
    told.event(EventAction::Paused);
    told.pass(1);
    told.event(EventAction::Updated);
    told.pass(1);
    told.event(EventAction::Unpaused);
    told.pass(1);
    told.renamed(OURS, "aside");
    told.pass(1);
    told.renamed("aside", OURS);
    told.pass(1);
    told.event(EventAction::Updated);
    told.pass(1);
    told.event(signal("9"));
    told.event(DIED);
    told.event(EventAction::Removed);
    told.shown = None;
    told.pass(10);
    assert_eq!(
        acts(&told.records),
        [
            "Paused false 00",
            "Updated false 01",
            "Unpaused true 02",
            "Renamed false 03",
            "Renamed true 04",
            "Updated true 05",
            "Removed false 06"
        ]
    );
    let removed = told.records.last().expect("a record");
    assert_eq!(removed.ended_at, removed.acted_at);
}

#[test]
fn a_container_that_comes_back_to_its_name_is_what_it_was_then() {
    for (stopped_aside, words) in [
        (
            false,
            ["Renamed false 00", "Renamed true 05", "Paused false 06"],
        ),
        (
            true,
            ["Renamed false 00", "Renamed false 05", "Started true 06"],
        ),
    ] {
        let mut told = Told::of_a_running_one();
        told.renamed(OURS, "aside");
        told.pass(5);
        told.renamed("aside", OURS);
        told.pass(1);
        let (next, status) = match stopped_aside {
            false => (EventAction::Paused, ContainerStatus::Paused),
            true => (EventAction::Started, ContainerStatus::Running),
        };
        told.event(next);
        told.shows(status);
        told.pass(5);
        assert_eq!(acts(&told.records), words);
    }
}

#[test]
fn a_signal_that_waits_does_not_tell_again_what_came_behind_it() {
    let mut told = Told::of_a_running_one();
    told.event(signal("15"));
    told.event(EventAction::Updated);
    told.pass(100);
    assert_eq!(
        acts(&told.records),
        ["Updated true 00", "Signalled true 00"]
    );
}

#[test]
fn a_restart_tells_both_its_end_and_its_start() {
    let mut told = Told::of_a_running_one();
    told.event(signal("15"));
    told.pass(1);
    told.event(DIED);
    told.event(EventAction::Stopped);
    told.pass(1);
    told.event(EventAction::Started);
    told.event(EventAction::Restarted);
    told.event(EventAction::Paused);
    told.shows(ContainerStatus::Paused);
    told.pass(10);
    let [restarted, _] = &told.records[..] else {
        panic!("{:?}", told.words())
    };
    let time = |at: &Option<String>| at.clone().expect("a time");
    assert_eq!(time(&restarted.ended_at), "1970-01-01T00:00:01.000Z");
    assert_eq!(time(&restarted.started_at), "1970-01-01T00:00:02.000Z");
}

/// As an engine that restarts tells it: the runtime's end, and nothing of its return.
#[test]
fn what_an_operation_cuts_off_is_told_as_far_as_it_came() {
    let cut = |seen: Option<Observed>| {
        let mut told = Told::of_a_running_one();
        told.event(signal("15"));
        told.event(DIED);
        told.event(EventAction::Stopped);
        told.pass(5);
        let seen = seen.as_ref().map(|seen| (Some(seen), Whereabouts::Unknown));
        told.records = told.observer.flush(seen, told.now);
        assert!(told.observer.due().is_none());
        told
    };
    let returned = "2026-01-01T10:00:00Z".to_owned();
    let told = cut(Some(Observed {
        started_at: Some(returned.clone()),
        ..Observed::sample(ContainerStatus::Running)
    }));
    assert_eq!(told.words(), ["Stopped Somebody", "Started Unknown"]);
    let started = told.records.last().expect("a record");
    assert_eq!((&started.started_at, started.up), (&Some(returned), true));
    let told = cut(Some(Observed::sample(ContainerStatus::Exited)));
    assert_eq!(told.words(), ["Stopped Somebody"]);
    // The engine did not answer.
    assert_eq!(cut(None).words(), ["Stopped Somebody"]);
}

#[test]
fn a_signal_without_an_end_is_told_when_an_operation_cuts_it_off() {
    let mut told = Told::of_a_running_one();
    told.event(signal("15"));
    told.pass(3);
    assert_eq!(told.words(), Vec::<String>::new());
    let seen = (told.shown.as_ref(), Whereabouts::Unknown);
    told.records = told.observer.flush(Some(seen), told.now);
    assert_eq!(acts(&told.records), ["Signalled true 00"]);
}

/// What an inspect shows once an operation acts may be the operation's own.
#[test]
fn an_inspect_beside_an_operation_tells_nothing() {
    let mut told = Told::of_a_running_one();
    told.event(EventAction::Paused);
    told.observer.rest();
    told.records = told
        .observer
        .flush(Some((None, Whereabouts::Gone)), told.now);
    assert_eq!(told.words(), ["Paused Somebody"]);
}
