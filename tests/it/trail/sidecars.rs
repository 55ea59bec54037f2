//! Records name files beside them: a record that somebody forged names none outside the state directory.

use std::fs;

use deploy_agent::audit::Verdict;
use serde_json::Value;

use super::events::tag_ran;
use super::fixture::{TrailDir, verdict_of};

/// Changes the records of the newest file, and makes the chain and the head agree with that.
fn forge(dir: &TrailDir, change: impl Fn(&mut Value)) {
    let mut hash = None;
    let mut lines = Vec::new();
    let mut seq = Value::Null;
    for mut record in dir.records() {
        change(&mut record);
        if let Some(hash) = hash {
            record["prev"] = Value::String(hash);
        }
        let line = record.to_string();
        hash = Some(sha256(format!("{line}\n").as_bytes()));
        lines.push(line);
        seq = record["seq"].clone();
    }
    dir.put_lines(&lines);
    let head = format!("{seq}:{}\n", hash.unwrap());
    fs::write(dir.file("audit.head"), head).unwrap();
}

fn sha256(bytes: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// The last file of a rotated trail, with bytes kept aside beside it.
async fn trail() -> TrailDir {
    let dir = TrailDir::new();
    let tags = (0..9).map(|n| tag_ran("x", &format!("r:v{n}"), "id"));
    dir.life_rotating(1000, tags.collect()).await;
    dir.put_at_end(b"half a li");
    dir.life(vec![]).await;
    forge(&dir, |_| ());
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
    forge(&dir, |record| {
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
    forge(&dir, |record| {
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
    forge(&dir, |record| {
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
