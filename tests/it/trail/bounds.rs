//! What anybody can cause to be written is bounded, and harmless to read.

use std::fs;

use deploy_agent::audit::{Event, Outcome, RuntimeObserved};
use serde_json::Value;

use super::events::{deploy, ended, rejection};
use super::fixture::TrailDir;

/// What a terminal would obey, and what would begin a line of its own.
const HOSTILE: &str =
    "a\n{\"seq\":1}\r\u{1b}[2J\u{7f}\u{9b}31m\u{200f}\u{202e}evil\u{2066}\u{2028}\u{0}\"\\";

fn obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[tokio::test]
async fn a_flood_of_rejections_leaves_few_records_and_an_exact_count() {
    const FLOOD: usize = 10_000;
    let dir = TrailDir::new();
    let (trail, _) = dir.open();
    for _ in 0..FLOOD {
        trail.rejected(rejection(&"x".repeat(10_000)));
    }
    // The record of a deploy has its place in the middle of a flood.
    for event in deploy("a", "r:v1") {
        trail.append(event).await.unwrap();
    }
    trail.close().await;
    let events = dir.events();
    let rejected = events.iter().filter(|event| *event == "rejected").count();
    assert!((20..40).contains(&rejected), "{rejected}");
    assert!(events.contains(&"operation_ended".to_owned()));
    assert!(fs::metadata(dir.newest()).unwrap().len() < 100_000);
    let records = dir.records();
    let last = records.last().unwrap();
    assert_eq!(last["event"], "rejections_suppressed");
    let counted = records.iter().filter_map(|record| record["count"].as_u64());
    assert_eq!(rejected as u64 + counted.sum::<u64>(), FLOOD as u64);
}

#[tokio::test]
async fn a_flood_of_observations_leaves_few_records_and_an_exact_count() {
    const FLOOD: usize = 10_000;
    let dir = TrailDir::new();
    let (trail, _) = dir.open();
    for _ in 0..FLOOD {
        trail.observed(RuntimeObserved::of_nothing());
    }
    for event in deploy("a", "r:v1") {
        trail.append(event).await.unwrap();
    }
    trail.close().await;
    let events = dir.events();
    let observed = events
        .iter()
        .filter(|event| *event == "runtime_observed")
        .count();
    assert!((50..70).contains(&observed), "{observed}");
    assert!(events.contains(&"operation_ended".to_owned()));
    let last = dir.records().pop().unwrap();
    assert_eq!(last["event"], "observations_suppressed");
    assert_eq!(
        observed as u64 + last["count"].as_u64().unwrap(),
        FLOOD as u64
    );
}

#[tokio::test]
async fn hostile_text_moves_no_cursor_forges_no_line_and_loses_nothing() {
    let dir = TrailDir::new();
    let (trail, _) = dir.open();
    trail.rejected(rejection(HOSTILE));
    trail.close().await;
    let lines = dir.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines.concat().chars().find(|c| obeyed(*c)), None);
    assert_eq!(dir.records()[1]["reason"], HOSTILE, "nothing is lost");
    dir.assert_intact();
}

/// Ends an operation with these texts, and gives its record.
async fn recorded(operation: &str, reason: &str, image: &str) -> (TrailDir, Value) {
    let dir = TrailDir::new();
    let mut end = ended(operation, Outcome::Failed);
    end.reason = Some(reason.to_owned());
    end.image = Some(image.to_owned());
    dir.life(vec![Event::OperationEnded(Box::new(end))]).await;
    let lines = dir.lines();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].len() < 8192, "{}", lines[1].len());
    assert_eq!(lines[1].chars().find(|c| obeyed(*c)), None);
    dir.assert_intact();
    let record = dir.records().remove(1);
    (dir, record)
}

#[tokio::test]
async fn long_text_is_cut_at_a_letter_and_shows_that_it_is() {
    let (_dir, record) = recorded(
        &"op".repeat(1000),
        &"ü".repeat(100_000),
        &"é".repeat(100_000),
    )
    .await;
    assert_eq!(record["operation"], format!("{}…", "op".repeat(64)));
    assert_eq!(record["reason"], format!("{}…", "ü".repeat(1024)));
    assert_eq!(record["image"], format!("{}…", "é".repeat(256)));
    let (_dir, odd) = recorded("a", &format!("a{}", "ü".repeat(5000)), "i").await;
    let reason = odd["reason"].as_str().unwrap();
    assert_eq!(reason, format!("a{}…", "ü".repeat(1023)), "not half an ü");
}

#[tokio::test]
async fn long_text_that_begins_with_what_a_terminal_obeys_is_cut_and_escaped() {
    let reason = format!("{HOSTILE}{}", "ü".repeat(5000));
    let (_dir, record) = recorded("a\nb", &reason, "i").await;
    assert_eq!(record["operation"], "a\nb");
    let reason = record["reason"].as_str().unwrap();
    assert!(reason.starts_with(HOSTILE) && reason.ends_with("ü…"));
    assert!(reason.len() <= 2048 + '…'.len_utf8());
}

#[tokio::test]
async fn a_step_has_bounds_too() {
    let dir = TrailDir::new();
    let mut event = super::events::stepped("a", "pull", Outcome::Failed);
    if let Event::StepEnded(step) = &mut event {
        step.detail = Some("ä".repeat(100_000));
    }
    dir.life(vec![event]).await;
    assert!(dir.lines()[1].len() < 8192);
    dir.assert_intact();
}
