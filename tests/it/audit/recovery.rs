//! What a crash leaves, and what a restart makes of it.

use std::fs;
use std::io::Write;

use super::{Desk, deploy, ended, started, step};

#[tokio::test]
async fn a_write_torn_at_any_byte_is_kept_aside_and_recorded() {
    let desk = Desk::with_two_deploys().await;
    let whole = fs::read(desk.file()).expect("read");
    let head = fs::read(desk.state.join("audit.head")).expect("read");
    // The next record, as it would have been written.
    let (trail, _) = desk.opened();
    deploy(&trail, "op-3", "1.0.2").await;
    trail.close().await;
    let longer = fs::read(desk.file()).expect("read");
    let next = longer[whole.len()..]
        .split_inclusive(|byte| *byte == b'\n')
        .next()
        .expect("a line");
    for cut in 1..next.len() {
        fs::write(desk.file(), [&whole, &next[..cut]].concat()).expect("written");
        fs::write(desk.state.join("audit.head"), &head).expect("written");
        let (trail, opened) = desk.opened();
        let torn = opened.torn.expect("a torn line");
        assert_eq!(torn.bytes, cut as u64);
        assert_eq!(
            fs::read(desk.state.join(&torn.file)).expect("kept"),
            &next[..cut]
        );
        assert!(opened.problems.is_empty(), "{:?}", opened.problems);
        trail.close().await;
        assert!(desk.text().contains("torn_line_kept_aside"));
        desk.assert_intact();
    }
}

#[tokio::test]
async fn pages_of_zeros_after_a_power_cut_are_kept_aside() {
    let desk = Desk::with_two_deploys().await;
    let mut file = fs::File::options()
        .append(true)
        .open(desk.file())
        .expect("opened");
    file.write_all(&[0; 4096]).expect("written");
    let (trail, opened) = desk.opened();
    assert_eq!(opened.torn.expect("kept").bytes, 4096);
    trail.close().await;
    desk.assert_intact();
}

#[tokio::test]
async fn an_operation_without_an_outcome_is_reported_with_its_last_step() {
    let desk = Desk::new();
    let (trail, _) = desk.opened();
    deploy(&trail, "op-1", "1.0.0").await;
    trail
        .append(started("op-2", "1.0.1"))
        .await
        .expect("recorded");
    trail.append(step("op-2", "pull")).await.expect("recorded");
    trail.append(step("op-2", "stop")).await.expect("recorded");
    trail.close().await;
    let (trail, opened) = desk.opened();
    assert_eq!(opened.unfinished.len(), 1);
    let left = &opened.unfinished[0];
    assert_eq!(
        (left.operation.as_str(), left.kind.as_str()),
        ("op-2", "deploy")
    );
    assert_eq!(left.last_step.as_deref(), Some("stop"));
    trail.append(ended("op-2")).await.expect("recorded");
    trail.close().await;
    assert!(desk.opened().1.unfinished.is_empty());
}

#[tokio::test]
async fn the_ledger_knows_the_first_digest_of_a_tag_after_a_restart() {
    let desk = Desk::new();
    let (trail, _) = desk.opened();
    deploy(&trail, "op-1", "1.0.0").await;
    let moved = super::tag_ran("op-2", "1.0.0", "sha256:d2");
    trail.append(moved).await.expect("recorded");
    trail.close().await;
    let (trail, opened) = desk.opened();
    assert_eq!(opened.ledger_tags, 1);
    let entry = trail.ledger_lookup("example/runtime:1.0.0").expect("known");
    assert_eq!(entry.digest.as_deref(), Some("sha256:d1"));
    assert_eq!(entry.operation, "op-1");
    assert!(trail.ledger_lookup("example/runtime:1.0.1").is_none());
}

#[tokio::test]
async fn damage_in_the_middle_is_recorded_and_the_agent_goes_on() {
    let desk = Desk::with_two_deploys().await;
    let changed = desk.text().replacen("op-1", "op-9", 1);
    fs::write(desk.file(), changed).expect("written");
    let (trail, opened) = desk.opened();
    assert!(
        opened.problems[0].contains("line 2: changed"),
        "{:?}",
        opened.problems
    );
    deploy(&trail, "op-3", "1.0.2").await;
    trail.close().await;
    assert!(desk.text().contains("trail_damaged"));
}

#[tokio::test]
async fn a_trail_that_was_taken_away_is_missed() {
    let desk = Desk::with_two_deploys().await;
    fs::remove_file(desk.file()).expect("removed");
    let (trail, opened) = desk.opened();
    assert!(
        opened.problems[0].contains("records 1 to 9 are missing"),
        "{:?}",
        opened.problems
    );
    trail.close().await;
    assert!(desk.text().contains("trail_damaged"));
}

#[tokio::test]
async fn a_newer_agents_trail_is_not_guessed_at() {
    let desk = Desk::with_two_deploys().await;
    let last = desk
        .lines()
        .pop()
        .expect("a line")
        .replacen("{\"v\":1", "{\"v\":2", 1);
    let mut file = fs::File::options()
        .append(true)
        .open(desk.file())
        .expect("opened");
    writeln!(file, "{last}").expect("written");
    let before = desk.text();
    let refused = desk.open().map(drop).expect_err("refused").to_string();
    assert!(refused.contains("newer agent"), "{refused}");
    assert_eq!(desk.text(), before, "nothing is changed");
}
