//! Records name files beside them: a record that somebody forged names none outside the state directory.

use std::fs;

use deploy_agent::audit::Verdict;
use serde_json::Value;

use super::events::tag_ran;
use super::fixture::{TrailDir, verdict_of};

/// The last file of a rotated trail, with bytes kept aside beside it.
async fn trail() -> TrailDir {
    let dir = TrailDir::new();
    let tags = (0..9).map(|n| tag_ran("x", &format!("r:v{n}"), "id"));
    dir.life_rotating(1000, tags.collect()).await;
    dir.put_at_end(b"half a li");
    dir.life(vec![]).await;
    dir.forge(|_| ());
    dir.assert_intact();
    dir
}

/// Moves `name` into a directory, and says where it is.
fn away(dir: &TrailDir, name: &str) -> String {
    fs::create_dir(dir.file("away")).unwrap();
    let moved = format!("away/{name}");
    fs::rename(dir.file(name), dir.file(&moved)).unwrap();
    moved
}

#[tokio::test]
async fn a_ledger_elsewhere_is_refused_though_it_is_the_right_one() {
    let dir = trail().await;
    let moved = away(&dir, &dir.ledger());
    dir.forge(|record| {
        if record["event"] == "trail_continued" {
            record["ledger"]["file"] = Value::String(moved.clone());
        }
    });
    let said = dir.assert_broken("elsewhere");
    assert!(said.contains("is not the name of a"), "{said}");
    let (_trail, opened) = dir.open();
    let problem = &opened.problems[0];
    assert!(problem.contains("is not the name of a"), "{problem}");
    assert_eq!(opened.ledger_tags, 9, "rebuilt from the trail");
}

#[tokio::test]
async fn bytes_kept_aside_elsewhere_are_refused_though_they_are_the_right_ones() {
    let dir = trail().await;
    let mut names = dir.names();
    names.retain(|name| name.starts_with("audit.torn."));
    let moved = away(&dir, &names[0]);
    dir.forge(|record| {
        if record["event"] == "torn_line_kept_aside" {
            record["file"] = Value::String(moved.clone());
        }
    });
    let said = dir.assert_broken("elsewhere");
    assert!(said.contains("not the name of a"), "{said}");
}

#[tokio::test]
async fn the_file_before_is_not_looked_for_elsewhere() {
    let dir = trail().await;
    let moved = away(&dir, dir.finished().last().unwrap());
    dir.forge(|record| {
        if record["event"] == "trail_continued" {
            record["after_file"] = Value::String(moved.clone());
        }
    });
    dir.assert_broken("elsewhere");
    assert_eq!(
        verdict_of(dir.path(), None, true).0,
        Verdict::Broken,
        "a gap is no beginning that is known to be missing"
    );
    // Another end of it goes unseen: nobody reads it.
    fs::write(dir.file(&moved), "another end\n").unwrap();
    let problems = dir.open().1.problems.join("\n");
    assert!(!problems.contains("follow the last line"), "{problems}");
}

#[tokio::test]
async fn a_file_that_goes_on_after_another_than_it_says_is_found_though_the_chain_agrees() {
    let whole = trail().await;
    for (field, forged) in [
        ("after_file", Value::from("audit.000000000001.jsonl")),
        ("after_seq", Value::from(1)),
        ("event", Value::from("agent_started")),
    ] {
        let dir = whole.copy();
        assert_ne!(dir.records()[0][field], forged);
        dir.forge(|record| {
            if record["event"] == "trail_continued" {
                record[field] = forged.clone();
            }
        });
        let said = dir.assert_broken(field);
        assert!(said.contains("audit.jsonl line 1: "), "{said}");
    }
}

#[tokio::test]
async fn a_file_that_goes_on_in_the_middle_of_another_is_found_though_the_chain_agrees() {
    let dir = trail().await;
    let first = dir.records().remove(0);
    dir.forge(|record| {
        if record["event"] == "agent_started" {
            let (seq, prev) = (record["seq"].clone(), record["prev"].clone());
            *record = first.clone();
            record["seq"] = seq;
            record["prev"] = prev;
        }
    });
    dir.assert_broken("goes on where no file ends");
}
