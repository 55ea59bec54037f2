//! The ledger keeps under which identity each tag first ran, whatever happens to its file.

use std::fs;

use deploy_agent::audit::{Doubt, DoubtKind, doubts_of};

use super::events::{acknowledged, deploy, doubted, started, step, tag_ran};
use super::fixture::TrailDir;

#[tokio::test]
async fn the_ledger_keeps_the_first_identity_of_a_tag_also_after_a_restart() {
    let dir = TrailDir::new();
    let (trail, _) = dir.open();
    assert!(trail.ledger_lookup("r:v1").is_none());
    trail.append(tag_ran("a", "r:v1", "one")).await.unwrap();
    trail.append(tag_ran("b", "r:v1", "two")).await.unwrap();
    let entry = trail.ledger_lookup("r:v1").unwrap();
    assert_eq!(
        (entry.image_id.as_str(), entry.operation.as_str()),
        ("one", "a")
    );
    assert_eq!(entry.digest.as_deref(), Some("sha256:of-one"));
    // The first and the last ran; what the tag may stand for by now did not.
    let digest = |of: &str| vec![format!("sha256:of-{of}")];
    assert!(entry.ran("one", &[]) && entry.ran("two", &[]));
    assert!(entry.ran("as another store has it", &digest("one")));
    assert!(entry.ran("as another store has it", &digest("two")));
    assert!(!entry.ran("three", &digest("three")));
    assert!(trail.ledger_lookup("r:v2").is_none());
    trail.close().await;
    let (trail, opened) = dir.open();
    assert_eq!(opened.ledger_tags, 1);
    assert_eq!(trail.ledger_lookup("r:v1"), Some(entry));
}

/// Tags in many files, each of them moved to another image later.
async fn rotated() -> TrailDir {
    let dir = TrailDir::new();
    let tags =
        |image_id: &'static str| (0..20).map(move |n| tag_ran("x", &format!("r:v{n}"), image_id));
    dir.life_rotating(1000, tags("one").chain(tags("two")).collect())
        .await;
    assert!(dir.finished().len() > 5);
    dir
}

#[tokio::test]
async fn the_ledger_keeps_the_first_identity_across_rotations() {
    let dir = rotated().await;
    let (trail, opened) = dir.open_rotating(1000);
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    assert_eq!(opened.ledger_tags, 20);
    for n in 0..20 {
        let entry = trail.ledger_lookup(&format!("r:v{n}")).unwrap();
        assert_eq!(entry.image_id, "one");
        assert!(entry.ran("two", &[]), "the last is known as well");
    }
}

#[tokio::test]
async fn a_ledger_file_that_was_changed_or_taken_is_rebuilt_from_the_trail_and_recorded() {
    let whole = rotated().await;
    for (changed, says) in [(true, "not the ledger"), (false, "ledger.")] {
        let dir = whole.copy();
        let ledger = dir.file(&dir.ledger());
        let text = fs::read_to_string(&ledger).unwrap();
        match changed {
            true => fs::write(&ledger, text.replace("r:v0", "r:w0")).unwrap(),
            false => fs::remove_file(&ledger).unwrap(),
        }
        let said = dir.assert_broken("the ledger");
        assert!(said.contains("ledger"), "{said}");
        let (trail, opened) = dir.open_rotating(1000);
        let problem = &opened.problems[0];
        assert!(problem.contains(says), "{problem}");
        assert_eq!(opened.ledger_tags, 20);
        assert_eq!(trail.ledger_lookup("r:v0").unwrap().image_id, "one");
        assert!(trail.ledger_lookup("r:w0").is_none());
        trail.close().await;
        assert!(dir.text().contains("trail_damaged"));
    }
}

#[tokio::test]
async fn a_trail_whose_first_records_are_gone_still_knows_the_tags_that_are_left() {
    let dir = TrailDir::new();
    let mut events = deploy("a", "r:v1");
    events.extend(deploy("b", "r:v2"));
    dir.life(events).await;
    dir.put_lines(&dir.lines()[1..]);
    let (trail, opened) = dir.open();
    let problem = &opened.problems[0];
    assert!(
        problem.contains("the records before record 2 are missing"),
        "{problem}"
    );
    assert_eq!(opened.ledger_tags, 2);
    assert!(trail.ledger_lookup("r:v1").is_some());
}

fn kinds(doubts: &[Doubt]) -> Vec<DoubtKind> {
    doubts.iter().map(|doubt| doubt.kind).collect()
}

#[tokio::test]
async fn what_is_doubted_stays_doubted_through_restarts_and_files_until_it_is_acknowledged() {
    let dir = TrailDir::new();
    assert!(doubts_of(&dir.file("none")).unwrap().is_none());
    let mut events = vec![doubted("lost-1")];
    events.extend((0..30).map(|n| tag_ran("x", &format!("r:v{n}"), "one")));
    dir.life_rotating(1000, events).await;
    assert!(dir.finished().len() > 5);
    let (trail, _) = dir.open_rotating(1000);
    let doubts = trail.doubts();
    assert_eq!(kinds(&doubts), [DoubtKind::New, DoubtKind::Older]);
    assert_eq!(doubts_of(dir.path()).unwrap(), Some(doubts.clone()));
    trail
        .append(acknowledged(doubts[0].seq, doubts[..1].to_vec()))
        .await
        .unwrap();
    assert_eq!(
        trail.doubts(),
        doubts[1..],
        "what came after what was acknowledged"
    );
    trail
        .append(acknowledged(doubts[1].seq, doubts[1..].to_vec()))
        .await
        .unwrap();
    assert!(trail.doubts().is_empty());
    assert!(
        trail.knows_operation("lost-1").unwrap(),
        "acknowledged is as good as known"
    );
    for n in 0..30 {
        trail
            .append(step("x", "pull"))
            .await
            .unwrap_or_else(|e| panic!("{n}: {e}"));
    }
    trail.close().await;
    let (trail, _) = dir.open_rotating(1000);
    assert!(trail.doubts().is_empty());
    assert!(trail.knows_operation("lost-1").unwrap());
}

#[tokio::test]
async fn an_operation_is_known_in_whatever_file_it_began_and_no_part_of_its_name_is() {
    let dir = TrailDir::new();
    let mut events = vec![started("0198-one"), tag_ran("0198-two", "r:v0", "one")];
    events.extend((0..30).map(|n| tag_ran("x", &format!("r:v{n}"), "one")));
    dir.life_rotating(1000, events).await;
    let (trail, _) = dir.open_rotating(1000);
    assert!(trail.knows_operation("0198-one").unwrap());
    assert!(
        trail.knows_operation("0198-two").unwrap(),
        "the ledger knows it"
    );
    assert!(!trail.knows_operation("0198").unwrap());
    assert!(!trail.knows_operation("0198-three").unwrap());
}

#[tokio::test]
async fn damage_makes_the_ledger_doubtful() {
    let dir = TrailDir::new();
    let first = dir.open().0;
    let doubts = first.doubts();
    first.append(acknowledged(1, doubts)).await.unwrap();
    for event in deploy("a", "r:v1") {
        first.append(event).await.unwrap();
    }
    first.close().await;
    let (trail, _) = dir.open();
    assert!(trail.doubts().is_empty(), "a restart is no reason");
    trail.close().await;
    let lines = dir.lines();
    dir.put_lines(&lines[..lines.len() - 2]);
    let (trail, _) = dir.open();
    assert_eq!(kinds(&trail.doubts()), [DoubtKind::Lost]);
}
