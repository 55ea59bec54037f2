//! What a crash or somebody's hand left, and what a restart makes of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use deploy_agent::audit::{Outcome, RuntimeState, Unfinished};

use super::events::{deploy, end, interrupted, started, step};
use super::fixture::{TrailDir, quarantined, whole};

#[tokio::test]
async fn a_write_torn_at_any_byte_is_kept_aside_and_recorded() {
    let before = TrailDir::new();
    before
        .life(vec![started("a"), step("a", "pull"), step("a", "stop")])
        .await;
    let kept = fs::read(before.newest()).unwrap();
    // The next record, as it would have been written.
    let longer = before.copy();
    longer.life(vec![]).await;
    let next = &fs::read(longer.newest()).unwrap()[kept.len()..];
    for cut in 1..next.len() {
        let dir = before.copy();
        dir.put_at_end(&next[..cut]);
        let (trail, opened) = dir.open();
        let (file, bytes) = quarantined(&opened).expect("something was torn");
        assert_eq!(bytes, cut as u64);
        assert_eq!(fs::read(dir.file(&file)).unwrap(), &next[..cut]);
        assert!(opened.problems.is_empty(), "{:?}", opened.problems);
        assert_eq!(opened.unfinished[0].last_step.as_deref(), Some("stop"));
        trail.close().await;
        assert!(fs::read(dir.newest()).unwrap().starts_with(&kept));
        assert_eq!(dir.events()[4..], ["agent_started", "torn_line_kept_aside"]);
        dir.assert_intact();
    }
}

#[tokio::test]
async fn pages_of_zeros_and_lines_of_garbage_are_kept_aside() {
    for left in [&[0; 4096][..], b"\0\0\0\n{\"seq\":\n"] {
        let dir = TrailDir::new();
        dir.life(deploy("a", "r:v1")).await;
        dir.put_at_end(left);
        let (trail, opened) = dir.open();
        let (file, bytes) = quarantined(&opened).unwrap();
        assert_eq!(bytes, left.len() as u64);
        assert_eq!(fs::read(dir.file(&file)).unwrap(), left);
        trail.close().await;
        dir.assert_intact();
    }
}

#[tokio::test]
async fn bytes_moved_aside_by_a_start_that_was_cut_short_are_recorded_by_the_next() {
    let dir = TrailDir::new();
    dir.life(vec![]).await;
    let aside = dir.file("audit.torn.000000000001.0.jsonl");
    fs::write(&aside, "half a li").unwrap();
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o600)).unwrap();
    let (_trail, opened) = dir.open();
    assert_eq!(quarantined(&opened).unwrap().1, 9);
    assert_eq!(dir.events().last().unwrap(), "torn_line_kept_aside");
}

#[tokio::test]
async fn a_changed_line_is_recorded_once_and_the_agent_goes_on() {
    let dir = TrailDir::new();
    dir.life(vec![started("a"), end("a", Outcome::Failed)])
        .await;
    let changed = dir.text().replacen("ci.access", "me.access", 1);
    fs::write(dir.newest(), changed).unwrap();
    let (trail, opened) = dir.open();
    assert_eq!(
        opened.problems,
        ["audit.jsonl line 2: changed after it was written"]
    );
    trail.close().await;
    assert_eq!(dir.events()[3..], ["agent_started", "trail_damaged"]);
    let (trail, opened) = dir.open();
    assert_eq!(opened.problems.len(), 1, "it is still told");
    trail.append(started("b")).await.unwrap();
    trail.close().await;
    assert_eq!(dir.events()[5..], ["agent_started", "operation_started"]);
}

#[tokio::test]
async fn the_last_record_written_anew_is_recorded_at_the_next_start() {
    let dir = TrailDir::new();
    dir.life(vec![started("a")]).await;
    let changed = dir.text().replacen("ci.access", "me.access", 1);
    fs::write(dir.newest(), changed).unwrap();
    let (_trail, opened) = dir.open();
    assert_eq!(
        opened.problems,
        ["audit.jsonl line 2: record 2 is not the one that audit.head notes"]
    );
    assert_eq!(dir.events().last().unwrap(), "trail_damaged");
}

#[tokio::test]
async fn a_cut_tail_is_recorded_at_the_next_start_and_stays_to_be_seen() {
    let uncut = TrailDir::new();
    uncut.life(deploy("a", "r:v1")).await;
    let lines = uncut.lines();
    for left in 1..lines.len() {
        let dir = uncut.copy();
        dir.put_lines(&lines[..left]);
        let (trail, opened) = dir.open();
        assert_eq!(
            opened.problems,
            [format!(
                "records {} to {} are missing at the end of the trail",
                left + 1,
                lines.len()
            )]
        );
        trail.close().await;
        assert_eq!(dir.events().last().unwrap(), "trail_damaged");
        let said = dir.assert_broken("cut");
        assert!(said.contains("are missing"), "{said}");
    }
}

#[tokio::test]
async fn a_trail_or_a_head_that_was_taken_away_is_missed() {
    let dir = TrailDir::new();
    dir.life(deploy("a", "r:v1")).await;
    fs::remove_file(dir.newest()).unwrap();
    let (trail, opened) = dir.open();
    assert_eq!(
        opened.problems,
        ["records 1 to 5 are missing at the end of the trail"]
    );
    trail.close().await;
    assert_eq!(dir.events(), ["agent_started", "trail_damaged"]);
    fs::remove_file(dir.file("audit.head")).unwrap();
    assert_eq!(dir.open().1.problems, ["audit.head is missing"]);
}

#[tokio::test]
async fn a_head_that_says_nothing_is_recorded_at_the_next_start_and_written_anew() {
    let whole = TrailDir::new();
    whole.life(deploy("a", "r:v1")).await;
    for head in [&b""[..], b"5\n", b"5:ab\n", b"\xff\n"] {
        let dir = whole.copy();
        fs::write(dir.file("audit.head"), head).unwrap();
        let said = dir.assert_broken("another head");
        assert!(said.contains("audit.head: "), "{said}");
        let (trail, opened) = dir.open();
        let [problem] = &opened.problems[..] else {
            panic!("{:?}", opened.problems);
        };
        assert!(problem.starts_with("audit.head: "), "{problem}");
        trail.close().await;
        assert_eq!(dir.events().last().unwrap(), "trail_damaged");
        let said = dir.assert_broken("recorded");
        assert!(said.contains("the agent found damage"), "{said}");
    }
}

#[tokio::test]
async fn a_number_that_a_forger_left_out_is_found_though_the_chain_agrees() {
    let dir = TrailDir::new();
    dir.life(deploy("a", "r:v1")).await;
    dir.forge(|record| {
        let seq = record["seq"].as_u64().unwrap();
        record["seq"] = (seq + u64::from(seq > 2)).into();
    });
    let said = dir.assert_broken("a number is left out");
    assert!(said.contains("record 4 where record 3 should be"), "{said}");
    let (_trail, opened) = dir.open();
    assert_eq!(
        opened.problems,
        ["audit.jsonl line 3: record 4 where record 3 should be"]
    );
}

#[tokio::test]
async fn an_operation_without_an_outcome_is_found_with_its_last_step_until_it_is_closed() {
    let outcomes = [
        interrupted("a", RuntimeState::Nothing, None),
        end("a", Outcome::Succeeded),
    ];
    for outcome in outcomes {
        let dir = TrailDir::new();
        let mut events = deploy("done", "r:v1");
        events.extend([started("a"), step("a", "pull"), step("a", "stop")]);
        dir.life(events).await;
        let (trail, opened) = dir.open();
        assert_eq!(
            opened.unfinished,
            [Unfinished {
                operation: "a".to_owned(),
                kind: "deploy".to_owned(),
                image: Some("ghcr.io/ceerkle/dreichor-trading/runtime:v1".to_owned()),
                last_step: Some("stop".to_owned()),
            }]
        );
        trail.append(outcome).await.unwrap();
        trail.close().await;
        assert!(dir.open().1.unfinished.is_empty());
    }
}

#[tokio::test]
async fn a_newer_agents_trail_is_not_guessed_at() {
    let older = TrailDir::new();
    older.life(deploy("a", "r:v1")).await;
    for at in 0..older.lines().len() {
        let dir = older.copy();
        let mut lines = dir.lines();
        lines[at] = lines[at].replacen("{\"v\":1", "{\"v\":2", 1);
        dir.put_lines(&lines);
        let refused = dir.refusal();
        assert!(refused.contains("newer agent"), "{refused}");
        assert_eq!(dir.text(), whole(&lines), "nothing is changed");
        assert_eq!(dir.names(), older.names(), "nothing is moved");
    }
}
