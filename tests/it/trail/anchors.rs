//! The caller as witness: whoever keeps the logs of a pipeline finds a trail that was rewritten whole, cut, exchanged or
//! begun anew, for every anchor.

use std::fs;
use std::process::Command;

use deploy_agent::audit::{Trail, anchors_in};

use super::events::deploy;
use super::fixture::TrailDir;

/// Deploys three times; the log of a pipeline that kept the head after each.
async fn witnessed(dir: &TrailDir) -> String {
    let (trail, _) = dir.open();
    let mut log = "2026-01-31T12:00:00.123Z ##[group]deploy\n".to_owned();
    for (n, tag) in ["r:v1", "r:v2", "r:v3"].into_iter().enumerate() {
        log += &format!(
            "2026-01-31T12:0{n}:00.123Z \u{1b}[36moperation {n}, audit head {}\u{1b}[0m sha256:{}\n",
            deployed(&trail, tag).await,
            "ab".repeat(32)
        );
    }
    trail.close().await;
    log
}

async fn deployed(trail: &Trail, tag: &str) -> String {
    for event in deploy(&format!("of-{tag}"), tag) {
        trail.append(event).await.unwrap();
    }
    trail.head().to_string()
}

/// Exit code and what the command says.
fn verified(dir: &TrailDir, log: &str) -> (i32, String) {
    let scratch = tempfile::NamedTempFile::new().unwrap();
    fs::write(scratch.path(), log).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .arg("verify")
        .arg(dir.path())
        .arg("--anchors")
        .arg(scratch.path())
        .env_clear()
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let code = output.status.code().unwrap();
    (code, String::from_utf8(said).unwrap())
}

#[track_caller]
fn unproven(dir: &TrailDir, log: &str, expected: [&str; 3]) {
    let (code, said) = verified(dir, log);
    assert_eq!(code, 1, "{said}");
    let fates: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("anchor of"))
        .collect();
    assert_eq!(fates.len(), 3, "one answer for each: {said}");
    for ((fate, expected), line) in fates.iter().zip(expected).zip(2..) {
        assert!(
            fate.starts_with(&format!("anchor of line {line}: ")),
            "{said}"
        );
        assert!(fate.contains(expected), "{expected}: {said}");
    }
}

#[tokio::test]
async fn every_anchor_of_a_pipelines_log_is_found_in_a_whole_trail() {
    let dir = TrailDir::new();
    let log = witnessed(&dir).await;
    let (code, said) = verified(&dir, &log);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("anchors: 3 of 3 proven"), "{said}");
    assert_eq!(said.matches("is there, unchanged").count(), 3, "{said}");
    let (code, said) = verified(&dir, "nothing was deployed\n");
    assert!(code == 1 && said.contains("no anchor"), "{said}");
}

#[tokio::test]
async fn a_trail_that_was_rewritten_whole_is_found_though_it_agrees_with_itself() {
    let dir = TrailDir::new();
    let log = witnessed(&dir).await;
    dir.forge(|record| {
        if record["operation"] == "of-r:v2" {
            record["requester"] = serde_json::json!({"client_id": "somebody else"});
        }
    });
    let (verdict, said) = dir.verdict();
    assert_eq!(
        verdict,
        deploy_agent::audit::Verdict::Intact,
        "by itself it is whole: {said}"
    );
    let other = "is another one, audit.jsonl line";
    unproven(&dir, &log, [other, other, other]);
}

#[tokio::test]
async fn a_trail_that_was_cut_at_its_end_is_found_though_the_head_agrees() {
    let dir = TrailDir::new();
    let log = witnessed(&dir).await;
    let kept = anchors_in(&log).remove(0).anchor;
    dir.put_lines(&dir.lines()[..usize::try_from(kept.seq).unwrap()]);
    fs::write(dir.file("audit.head"), format!("{kept}\n")).unwrap();
    dir.assert_intact();
    let ends = "is missing, the trail ends with record 5";
    unproven(&dir, &log, ["is there", ends, ends]);
}

#[tokio::test]
async fn another_trail_in_its_place_and_one_begun_anew_are_found() {
    let dir = TrailDir::new();
    let log = witnessed(&dir).await;
    let other = TrailDir::new();
    drop(witnessed(&other).await);
    unproven(&other, &log, ["is another", "is another", "is another"]);
    let fresh = TrailDir::new();
    fresh.life(vec![]).await;
    let ends = "is missing, the trail ends with record 1";
    unproven(&fresh, &log, [ends, ends, ends]);
}

#[tokio::test]
async fn a_trail_whose_oldest_files_were_taken_away_says_so_for_each_anchor() {
    let dir = TrailDir::new();
    let (trail, _) = dir.open_rotating(600);
    let (mut log, mut tags) = (String::new(), 0);
    while dir.finished().len() < 6 {
        tags += 1;
        log += &format!("{}\n", deployed(&trail, &format!("r:v{tags}")).await);
    }
    trail.close().await;
    for oldest in &dir.finished()[..4] {
        fs::remove_file(dir.file(oldest)).unwrap();
    }
    let (code, said) = verified(&dir, &log);
    assert!(
        code == 1 && said.contains("NOT PROVEN") && said.contains("the oldest here is"),
        "{said}"
    );
    assert!(said.contains("is there, unchanged"), "{said}");
}
