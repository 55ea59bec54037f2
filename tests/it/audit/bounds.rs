//! What anybody can cause to be written is bounded, and harmless to read.

use deploy_agent::audit::{Event, Outcome, Rejection, Requester, StepEnded};

use super::{Desk, deploy};

fn rejection(reason: &str) -> Rejection {
    Rejection {
        http: 401,
        request: "POST /v1/deploy".to_owned(),
        reason: reason.to_owned(),
        requester: Requester::default(),
        image: None,
    }
}

#[tokio::test]
async fn a_flood_of_refused_requests_leaves_few_records_and_an_exact_count() {
    let desk = Desk::new();
    let (trail, _) = desk.opened();
    for _ in 0..10_000 {
        trail.rejected(rejection("no"));
    }
    // The record of a deploy has its place in the middle of a flood.
    deploy(&trail, "op-1", "1.0.0").await;
    trail.close().await;
    let records: Vec<serde_json::Value> = desk
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let rejected = records
        .iter()
        .filter(|record| record["event"] == "rejected")
        .count();
    let counted: u64 = records
        .iter()
        .filter_map(|record| record["count"].as_u64())
        .sum();
    assert!((20..40).contains(&rejected), "{rejected}");
    assert_eq!(rejected as u64 + counted, 10_000);
    assert!(
        records
            .iter()
            .any(|record| record["event"] == "operation_ended")
    );
}

#[tokio::test]
async fn hostile_text_moves_no_cursor_and_forges_no_line() {
    let desk = Desk::new();
    let (trail, _) = desk.opened();
    let hostile = "a\n{\"seq\":1}\r\u{1b}[2J\u{7f}\u{9b}31m\u{202e}evil\u{2028}\u{0}\"\\";
    trail.rejected(rejection(hostile));
    trail.close().await;
    let text = desk.text();
    assert_eq!(text.lines().count(), 2);
    let obeyed = text
        .chars()
        .filter(|c| *c != '\n')
        .find(|c| c.is_control() || ('\u{2028}'..='\u{202e}').contains(c));
    assert_eq!(obeyed, None);
    let record: serde_json::Value =
        serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert_eq!(record["reason"], hostile, "nothing is lost");
    desk.assert_intact();
}

#[tokio::test]
async fn long_text_is_cut_at_a_letter() {
    let desk = Desk::new();
    let (trail, _) = desk.opened();
    let event = Event::StepEnded(StepEnded {
        operation: "op".repeat(1000),
        step: "pull",
        outcome: Outcome::Failed,
        duration_ms: 1,
        detail: Some("ä".repeat(100_000)),
    });
    trail.append(event).await.expect("recorded");
    trail.close().await;
    assert!(desk.lines().pop().expect("a line").len() < 8192);
    desk.assert_intact();
}
