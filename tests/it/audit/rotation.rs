//! Going on in a new file keeps the chain, the open operations and the ledger.

use std::fs;

use deploy_agent::audit::Verdict;

use super::{Desk, deploy, open_in, started, verdict_of};

const SMALL: u64 = 4096;

async fn rotated() -> Desk {
    let desk = Desk::new();
    let (trail, _) = open_in(&desk.state, SMALL).expect("opens");
    trail
        .append(started("open", "0.0.1"))
        .await
        .expect("recorded");
    for number in 0..60 {
        deploy(&trail, &format!("op-{number}"), &format!("1.0.{number}")).await;
    }
    trail.close().await;
    desk
}

fn files(desk: &Desk, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = fs::read_dir(&desk.state)
        .expect("readable")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.display().to_string().ends_with(ending))
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn the_chain_goes_through_all_files() {
    let desk = rotated().await;
    assert!(files(&desk, ".jsonl").len() > 5);
    let (verdict, said) = desk.verdict();
    assert_eq!(verdict, Verdict::Intact, "{said}");
    assert!(said.contains("seq 1.."), "{said}");
    for file in files(&desk, ".jsonl") {
        assert!(fs::metadata(&file).expect("there").len() < 2 * SMALL);
    }
}

#[tokio::test]
async fn ledger_and_open_operations_survive_without_reading_old_files() {
    let desk = rotated().await;
    for old in files(&desk, ".jsonl") {
        if old != desk.file() {
            fs::remove_file(old).expect("removed");
        }
    }
    let (trail, opened) = open_in(&desk.state, SMALL).expect("opens");
    assert_eq!(opened.ledger_tags, 60);
    assert!(trail.ledger_lookup("example/runtime:1.0.0").is_some());
    assert_eq!(opened.unfinished.len(), 1);
    assert_eq!(opened.unfinished[0].operation, "open");
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    trail.close().await;
    assert_eq!(
        desk.verdict().0,
        Verdict::Broken,
        "what came before is missing"
    );
    assert_eq!(
        verdict_of(&desk.state, None, true).0,
        Verdict::Intact,
        "unless that is known"
    );
}

#[tokio::test]
async fn a_missing_file_and_a_changed_ledger_are_found() {
    let desk = rotated().await;
    let middle = files(&desk, ".jsonl").remove(2);
    let kept = fs::read(&middle).expect("read");
    fs::remove_file(&middle).expect("removed");
    assert_eq!(desk.verdict().0, Verdict::Broken);
    fs::write(&middle, kept).expect("put back");
    desk.assert_intact();
    let ledger = files(&desk, ".json").pop().expect("a ledger");
    let changed = fs::read_to_string(&ledger)
        .expect("read")
        .replacen("d1", "d2", 1);
    fs::write(&ledger, changed).expect("written");
    let (verdict, said) = desk.verdict();
    assert_eq!(verdict, Verdict::Broken);
    assert!(said.contains("ledger"), "{said}");
}

#[tokio::test]
async fn a_rotation_cut_between_its_two_renames_is_finished() {
    let desk = rotated().await;
    let newest = desk.lines().len();
    assert!(newest > 0);
    // As if the newest file had just been put away under its last number.
    let last = fs::read_to_string(desk.state.join("audit.head")).expect("a head");
    let seq: u64 = last
        .split(':')
        .next()
        .expect("a number")
        .parse()
        .expect("a number");
    fs::rename(
        desk.file(),
        desk.state.join(format!("audit.{seq:020}.jsonl")),
    )
    .expect("moved");
    let (trail, opened) = open_in(&desk.state, SMALL).expect("opens");
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    assert_eq!(opened.ledger_tags, 60);
    trail.close().await;
    desk.assert_intact();
    assert!(desk.text().contains("trail_continued"));
}
