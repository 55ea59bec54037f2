//! What `verify` says, and how far it sees. That it finds every edit: `edits`.

use std::fs;

use deploy_agent::audit::{Anchor, Outcome, Verdict};

use super::events::{end, started, tag_ran};
use super::fixture::{TrailDir, verdict_of};

/// Four records in one file, and the last of them as `SEQ:HASH`.
async fn small() -> (TrailDir, String) {
    let dir = TrailDir::new();
    let events = vec![
        started("a"),
        tag_ran("a", "r:v1", "one"),
        end("a", Outcome::Succeeded),
    ];
    let head = dir.life(events).await;
    (dir, head)
}

#[tokio::test]
async fn an_untouched_trail_is_intact() {
    let (dir, head) = small().await;
    let (verdict, said) = verdict_of(dir.path(), Some(&head), false);
    assert_eq!(verdict, Verdict::Intact);
    assert_eq!(said, format!("intact: 4 records, seq 1..4, head {head}\n"));
    assert_eq!(dir.verdict().1, said);
    // A copy of the file alone, elsewhere, can be checked as well.
    assert_eq!(
        verdict_of(&dir.newest(), Some(&head), false),
        (verdict, said)
    );
}

#[tokio::test]
async fn the_first_broken_line_is_named() {
    let (dir, _) = small().await;
    let changed = dir.text().replacen("ci.access", "me.access", 1);
    fs::write(dir.newest(), changed).unwrap();
    assert_eq!(
        dir.assert_broken("changed"),
        "broken: audit.jsonl line 2: changed after it was written\n"
    );
}

#[tokio::test]
async fn a_cut_tail_is_found_through_the_head_and_through_what_is_expected() {
    let (dir, head) = small().await;
    dir.put_lines(&dir.lines()[..2]);
    let said = dir.assert_broken("cut");
    assert!(said.contains("records 3 to 4 are missing"), "{said}");
    // Whoever can cut the trail can also make its head agree, but not the journal.
    let file = dir.newest();
    assert_eq!(verdict_of(&file, None, false).0, Verdict::Intact);
    let (verdict, said) = verdict_of(&file, Some(&head), false);
    assert_eq!(verdict, Verdict::Broken);
    assert!(said.contains("record 4 is expected"), "{said}");
    fs::remove_file(dir.file("audit.head")).unwrap();
    let said = dir.assert_broken("no head");
    assert!(said.contains("audit.head is missing"), "{said}");
}

#[tokio::test]
async fn another_record_in_the_place_of_the_noted_or_expected_one_is_found() {
    let (dir, head) = small().await;
    let hash = head.split_once(':').unwrap().1;
    for seq in 1..4 {
        let other = format!("{seq}:{hash}");
        let (verdict, said) = verdict_of(dir.path(), Some(&other), false);
        assert_eq!(verdict, Verdict::Broken);
        let expected = format!("record {seq} is not the one expected");
        assert!(said.contains(&expected), "{said}");
    }
    fs::write(dir.file("audit.head"), format!("3:{hash}\n")).unwrap();
    let said = dir.assert_broken("another head");
    assert!(
        said.contains("record 3 is not the one that audit.head notes"),
        "{said}"
    );
}

#[tokio::test]
async fn an_anchor_noted_elsewhere_finds_a_trail_that_was_written_anew() {
    let (dir, head) = small().await;
    let first_half = head.split_once(':').unwrap().0;
    // Somebody with the host's rights writes another trail, with a head that fits.
    let anew = TrailDir::new();
    anew.life((0..9).map(|n| started(&n.to_string())).collect())
        .await;
    anew.assert_intact();
    let (verdict, said) = verdict_of(anew.path(), Some(&head), false);
    assert_eq!(verdict, Verdict::Broken);
    assert!(
        said.contains(&format!("record {first_half} is not the one expected")),
        "{said}"
    );
    assert_eq!(
        verdict_of(dir.path(), Some(&head), false).0,
        Verdict::Intact
    );
}

#[tokio::test]
async fn every_missing_or_changed_file_is_found() {
    let whole = TrailDir::new();
    let tags = (0..12).map(|n| tag_ran("x", &format!("r:v{n}"), "id"));
    let head = whole.life_rotating(1000, tags.collect()).await;
    assert!(whole.finished().len() > 2);
    assert_eq!(
        verdict_of(whole.path(), Some(&head), false).0,
        Verdict::Intact
    );
    for name in whole.names() {
        if ["lock", "environment", "reserve"].contains(&&name[..]) {
            continue;
        }
        let dir = whole.copy();
        fs::remove_file(dir.file(&name)).unwrap();
        dir.assert_broken(&format!("without {name}"));
        let mut bytes = fs::read(whole.file(&name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(dir.file(&name), bytes).unwrap();
        let said = dir.assert_broken(&format!("another {name}"));
        if name.starts_with("ledger") {
            assert!(said.contains(&name), "{said}");
        }
    }
}

#[tokio::test]
async fn a_file_too_many_and_a_newest_file_too_few_are_found() {
    let whole = TrailDir::new();
    let tags = (0..12).map(|n| tag_ran("x", &format!("r:v{n}"), "id"));
    whole.life_rotating(1000, tags.collect()).await;
    for (name, like) in [
        ("audit.000000000000.jsonl", None),
        ("audit.999999999999.jsonl", None),
        ("audit.999999999999.jsonl", Some("audit.000000000001.jsonl")),
    ] {
        let dir = whole.copy();
        let bytes = like.map(|like| fs::read(dir.file(like)).unwrap());
        fs::write(dir.file(name), bytes.unwrap_or_default()).unwrap();
        dir.assert_broken(name);
    }
    // Whoever takes the newest file away can also make the head agree.
    let first = whole.records().remove(0);
    let head = format!(
        "{}:{}\n",
        first["after_seq"],
        first["prev"].as_str().unwrap()
    );
    fs::write(whole.file("audit.head"), head).unwrap();
    fs::remove_file(whole.newest()).unwrap();
    let said = whole.assert_broken("without the newest file");
    assert!(said.contains("audit.jsonl is missing"), "{said}");
}

#[tokio::test]
async fn a_partial_trail_may_begin_later_and_nothing_else() {
    let dir = TrailDir::new();
    let tags = (0..12).map(|n| tag_ran("x", &format!("r:v{n}"), "id"));
    let head = dir.life_rotating(1500, tags.collect()).await;
    fs::remove_file(dir.file("audit.000000000001.jsonl")).unwrap();
    let said = dir.assert_broken("the oldest is gone");
    assert!(said.contains("are missing"), "{said}");
    let (verdict, said) = verdict_of(dir.path(), Some(&head), true);
    assert_eq!(verdict, Verdict::Intact, "{said}");
    let older = format!("1:{}", head.split_once(':').unwrap().1);
    let (verdict, said) = verdict_of(dir.path(), Some(&older), true);
    assert_eq!(verdict, Verdict::Broken, "{said}");
    dir.put_lines(&dir.lines()[1..]);
    assert_eq!(verdict_of(dir.path(), None, true).0, Verdict::Broken);
}

#[tokio::test]
async fn a_trail_that_is_being_written_is_intact() {
    let (dir, _) = small().await;
    let (trail, _) = dir.open();
    trail.append(started("b")).await.unwrap();
    dir.assert_intact();
    trail.close().await;
    dir.put_at_end(br#"{"v":1,"seq":7,"at"#);
    let (verdict, said) = dir.verdict();
    assert_eq!(verdict, Verdict::Intact);
    assert!(
        said.starts_with("note: audit.jsonl line 7: 18 bytes"),
        "{said}"
    );
}

#[tokio::test]
async fn what_was_kept_aside_must_stay_what_it_was() {
    let (dir, _) = small().await;
    dir.put_at_end(b"half a li");
    dir.life(vec![]).await;
    dir.assert_intact();
    let aside = "audit.torn.000000000004.0.jsonl";
    fs::write(dir.file(aside), "something else").unwrap();
    let said = dir.assert_broken("what was kept aside");
    assert!(said.contains(aside), "{said}");
    fs::remove_file(dir.file(aside)).unwrap();
    let said = dir.assert_broken("what was kept aside is gone");
    assert!(said.contains(aside), "{said}");
    // Whoever takes old files away may take this one away too.
    let (verdict, said) = verdict_of(dir.path(), None, true);
    assert_eq!(verdict, Verdict::Intact, "{said}");
    assert!(said.starts_with("note: ") && said.contains(aside), "{said}");
}

#[tokio::test]
async fn damage_that_an_agent_recorded_stays_damage() {
    let (dir, _) = small().await;
    dir.put_lines(&dir.lines()[..1]);
    dir.life(vec![]).await;
    dir.life(vec![started("b")]).await;
    let said = dir.assert_broken("recorded");
    assert!(said.contains("the agent found damage"), "{said}");
    assert!(said.contains("records 2 to 4 are missing"), "{said}");
}

#[test]
fn an_anchor_is_seq_and_hash() {
    let hash = "AB".repeat(32);
    let anchor: Anchor = format!("7:{hash}").parse().unwrap();
    assert_eq!((anchor.seq, anchor.hash), (7, hash.to_lowercase()));
    for wrong in ["", "7", "7:ab", "x:00", ":"] {
        assert!(wrong.parse::<Anchor>().is_err(), "{wrong}");
    }
}
