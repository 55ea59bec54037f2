//! Going on in a new file keeps the chain, the open operations and the ledger.

use std::fs;

use deploy_agent::audit::Verdict;

use super::events::{deploy, started, step, tag_ran};
use super::fixture::{TrailDir, verdict_of};

const SMALL: u64 = 4096;
const TAGS: usize = 60;

/// Many files, an operation that was begun in the first of them, and a tag for each number.
async fn rotated() -> TrailDir {
    let dir = TrailDir::new();
    let mut events = vec![started("open"), step("open", "pull")];
    for n in 0..TAGS {
        events.extend(deploy(&format!("op-{n}"), &format!("r:v{n}")));
    }
    dir.life_rotating(SMALL, events).await;
    dir
}

#[tokio::test]
async fn the_chain_goes_through_all_files() {
    let dir = rotated().await;
    let finished = dir.finished();
    assert!(finished.len() > 5, "{finished:?}");
    assert_eq!(finished[0], "audit.000000000001.jsonl");
    assert_eq!(dir.events()[0], "trail_continued");
    for name in finished.iter().map(String::as_str).chain(["audit.jsonl"]) {
        assert!(fs::metadata(dir.file(name)).unwrap().len() < 2 * SMALL);
    }
    let (verdict, said) = dir.verdict();
    assert_eq!(verdict, Verdict::Intact, "{said}");
    assert!(said.contains("seq 1.."), "{said}");
}

#[tokio::test]
async fn ledger_and_open_operations_survive_without_reading_old_files() {
    let dir = rotated().await;
    for old in dir.finished() {
        fs::remove_file(dir.file(&old)).unwrap();
    }
    let (trail, opened) = dir.open_rotating(SMALL);
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    assert_eq!(opened.ledger_tags, TAGS);
    for n in 0..TAGS {
        let entry = trail.ledger_lookup(&format!("r:v{n}")).unwrap();
        assert_eq!(entry.image_id, "one");
        assert_eq!(entry.digest.as_deref(), Some("sha256:of-one"));
        assert_eq!(entry.operation, format!("op-{n}"));
    }
    assert_eq!(opened.unfinished.len(), 1);
    assert_eq!(opened.unfinished[0].operation, "open");
    assert_eq!(opened.unfinished[0].last_step.as_deref(), Some("pull"));
    trail.close().await;
    dir.assert_broken("what came before is missing");
    let (verdict, said) = verdict_of(dir.path(), None, true);
    assert_eq!(verdict, Verdict::Intact, "unless that is known: {said}");
}

#[tokio::test]
async fn an_intact_trail_of_many_files_opens_without_a_problem() {
    let dir = rotated().await;
    let (trail, opened) = dir.open_rotating(SMALL);
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    assert_eq!((opened.ledger_tags, opened.unfinished.len()), (TAGS, 1));
    trail.close().await;
    dir.assert_intact();
}

#[tokio::test]
async fn a_crash_between_the_two_renames_of_a_rotation_is_completed() {
    let one_file = TrailDir::new();
    one_file
        .life(vec![started("a"), tag_ran("a", "r:v1", "one")])
        .await;
    // However many digits the number takes.
    for (dir, tags, digits) in [(one_file, 1, 20), (rotated().await, TAGS, 12)] {
        // As if the newest file had just been put away under the number of its first record.
        let first = dir.records()[0]["seq"].as_u64().unwrap();
        let finished = dir.file(&format!("audit.{first:0digits$}.jsonl"));
        fs::rename(dir.newest(), finished).unwrap();
        fs::write(dir.file("audit.next"), "{}").unwrap();
        let (trail, opened) = dir.open_rotating(SMALL);
        assert!(opened.problems.is_empty(), "{:?}", opened.problems);
        assert_eq!((opened.ledger_tags, opened.unfinished.len()), (tags, 1));
        trail.close().await;
        assert_eq!(dir.events(), ["trail_continued", "agent_started"]);
        dir.assert_intact();
    }
}

#[tokio::test]
async fn the_end_of_the_file_before_is_compared_at_a_start() {
    let dir = rotated().await;
    let before = dir.file(dir.finished().last().unwrap());
    let text = fs::read_to_string(&before).unwrap();
    let cut = text[..text.len() - 1].rfind('\n').unwrap() + 1;
    fs::write(&before, &text[..cut]).unwrap();
    let (_trail, opened) = dir.open_rotating(SMALL);
    let problems = opened.problems.join("\n");
    assert!(problems.contains("line 1"), "{problems}");
    assert!(problems.contains("the file before it"), "{problems}");
}
