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
    now: Instant,
    shown: Option<Observed>,
    records: Vec<RuntimeObserved>,
}

impl Told {
    fn of_a_running_one() -> Self {
        let mut told = Self {
            observer: Observer::new(OURS.to_owned(), Arc::new(AtomicBool::new(false))),
            now: Instant::now(),
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
        let event = ContainerEvent {
            container: "0".repeat(64),
            name: OURS.to_owned(),
            at_nanos: None,
            action,
        };
        self.observer.take(&event, self.now);
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
