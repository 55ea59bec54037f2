//! No edit of a trail goes unseen: every byte changed, removed and inserted, every cut, every line removed, repeated
//! and exchanged, in a trail of one file and in one of several.

use std::fs;

use deploy_agent::audit::{Outcome, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::events::{deploy, end, started, tag_ran};
use super::fixture::{TrailDir, whole};

async fn one_file() -> TrailDir {
    let dir = TrailDir::new();
    let events = vec![
        started("a"),
        tag_ran("a", "r:v1", "one"),
        end("a", Outcome::Succeeded),
    ];
    dir.life(events).await;
    assert_eq!(dir.lines().len(), 4);
    dir
}

async fn several_files() -> TrailDir {
    let dir = TrailDir::new();
    let tags = (0..6).map(|n| tag_ran("x", &format!("r:{n}"), "i"));
    dir.life_rotating(700, tags.collect()).await;
    assert!((2..5).contains(&dir.finished().len()));
    dir
}

/// The files of lines, oldest first.
fn files(dir: &TrailDir) -> Vec<String> {
    let mut names = dir.finished();
    names.push("audit.jsonl".to_owned());
    names
}

/// Writes each spoilt form of the file `name` in the place of what was there, and puts that back in the end.
fn assert_each_is_found(
    dir: &TrailDir,
    name: &str,
    spoilt: impl Iterator<Item = (String, Vec<u8>)>,
) {
    let path = dir.file(name);
    let bytes = fs::read(&path).unwrap();
    for (what, spoilt) in spoilt {
        assert_ne!(spoilt, bytes, "{name}: {what}");
        fs::write(&path, spoilt).unwrap();
        dir.assert_broken(&format!("{name}: {what}"));
    }
    fs::write(&path, bytes).unwrap();
    dir.assert_intact();
}

/// `with` gives what a byte may become.
fn assert_every_changed_byte_is_found<const N: usize>(
    dir: &TrailDir,
    name: &str,
    with: impl Fn(u8) -> [u8; N],
) {
    let bytes = fs::read(dir.file(name)).unwrap();
    let mut changed = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        for other in with(*byte).into_iter().filter(|other| other != byte) {
            let mut spoilt = bytes.clone();
            spoilt[at] = other;
            changed.push((format!("byte {at} as {other}"), spoilt));
        }
    }
    assert_each_is_found(dir, name, changed.into_iter());
}

#[tokio::test]
async fn every_changed_byte_of_one_file_is_found() {
    let dir = one_file().await;
    assert_every_changed_byte_is_found(&dir, "audit.jsonl", |byte| [byte ^ 1, b'\n', b' ']);
}

#[tokio::test]
async fn every_changed_byte_of_several_files_of_their_ledgers_and_of_the_head_is_found() {
    let dir = several_files().await;
    for name in dir.names() {
        if !["lock", "environment", "reserve"].contains(&&name[..]) {
            assert_every_changed_byte_is_found(&dir, &name, |byte| [byte ^ 1]);
        }
    }
}

#[tokio::test]
async fn every_removed_or_inserted_byte_and_every_cut_is_found() {
    for dir in [one_file().await, several_files().await] {
        for name in files(&dir) {
            let bytes = fs::read(dir.file(&name)).unwrap();
            let spoilt = (0..bytes.len()).flat_map(|at| {
                let mut without = bytes.clone();
                without.remove(at);
                let mut inserted = bytes.clone();
                inserted.insert(at, b' ');
                [
                    (format!("without byte {at}"), without),
                    (format!("a byte before {at}"), inserted),
                    (format!("cut at {at}"), bytes[..at].to_vec()),
                ]
            });
            assert_each_is_found(&dir, &name, spoilt);
        }
    }
}

#[tokio::test]
async fn every_removed_repeated_or_exchanged_line_is_found() {
    let dir = TrailDir::new();
    let mut events = deploy("a", "r:v1");
    events.extend(deploy("b", "r:v2"));
    dir.life(events).await;
    for dir in [dir, several_files().await] {
        for name in files(&dir) {
            let text = fs::read_to_string(dir.file(&name)).unwrap();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let spoilt = (0..lines.len()).flat_map(|at| {
                let mut without = lines.clone();
                let line = without.remove(at);
                let mut twice = lines.clone();
                twice.insert(at, line);
                let mut edits = vec![
                    (format!("line {at} removed"), whole(&without)),
                    (format!("line {at} repeated"), whole(&twice)),
                ];
                for other in 0..at {
                    let mut exchanged = lines.clone();
                    exchanged.swap(at, other);
                    edits.push((format!("lines {other} and {at}"), whole(&exchanged)));
                }
                edits
                    .into_iter()
                    .map(|(what, text)| (what, text.into_bytes()))
            });
            assert_each_is_found(&dir, &name, spoilt);
        }
    }
}

#[tokio::test]
async fn lines_and_files_that_change_places_are_found() {
    let dir = several_files().await;
    let names = files(&dir);
    let texts: Vec<String> = names
        .iter()
        .map(|name| fs::read_to_string(dir.file(name)).unwrap())
        .collect();
    for (one, other) in (0..names.len()).flat_map(|one| (0..one).map(move |other| (one, other))) {
        let put = |n: usize, text: &str| fs::write(dir.file(&names[n]), text).unwrap();
        for (mine, theirs) in texts[one]
            .lines()
            .flat_map(|mine| texts[other].lines().map(move |theirs| (mine, theirs)))
        {
            put(one, &texts[one].replace(mine, theirs));
            put(other, &texts[other].replace(theirs, mine));
            dir.assert_broken(&format!("{mine} in the place of {theirs}"));
        }
        put(one, &texts[other]);
        put(other, &texts[one]);
        dir.assert_broken(&format!("{} and {}", names[one], names[other]));
        put(one, &texts[one]);
        put(other, &texts[other]);
        dir.assert_intact();
    }
}

/// Any splice: some bytes taken out somewhere and others put in.
#[tokio::test]
async fn any_splice_is_found() {
    let dir = TrailDir::new();
    let mut events = deploy("a", "r:v1");
    events.extend(deploy("b", "r:v2"));
    dir.life(events).await;
    let bytes = fs::read(dir.newest()).unwrap();
    let splices = (0..=bytes.len(), 0_usize..400, "[ -~\n]{0,40}");
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(512)
    });
    let found = runner.run(&splices, |(from, taken, put)| {
        let to = (from + taken).min(bytes.len());
        let spliced = [&bytes[..from], put.as_bytes(), &bytes[to..]].concat();
        fs::write(dir.newest(), &spliced).unwrap();
        let (verdict, said) = dir.verdict();
        // Bytes after the last newline are no record yet: a writer may be at it.
        let only_a_tail = spliced.starts_with(&bytes) && !spliced[bytes.len()..].contains(&b'\n');
        prop_assert_eq!(verdict == Verdict::Intact, only_a_tail, "{}", said);
        Ok(())
    });
    found.unwrap();
}
