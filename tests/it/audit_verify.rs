//! No edit of a trail goes unseen.

use std::fs;

use deploy_agent::audit::*;

use crate::audit_support::*;

async fn small() -> (Dir, Anchor) {
    let dir = Dir::new();
    let events = vec![
        started("a"),
        tag_ran("a", "r:v1", "one"),
        end("a", Outcome::Succeeded),
    ];
    let head = life(&dir, events).await;
    (dir, head)
}

async fn rotated() -> (Dir, Anchor) {
    let dir = Dir::new();
    let mut how = options(&dir.0);
    how.rotate_at = 1500;
    let (trail, _) = trail_open(how).unwrap();
    for n in 0..12 {
        trail
            .append(tag_ran("x", &format!("r:v{n}"), "id"))
            .await
            .unwrap();
    }
    trail.close().await;
    (dir, trail.head())
}

fn broken(dir: &Dir, what: &str) -> String {
    let (verdict, said) = verified(&dir.0, None, false);
    assert_eq!(verdict, Verdict::Broken, "{what}: {said}");
    said
}

#[tokio::test]
async fn an_untouched_trail_is_intact() {
    let (dir, head) = small().await;
    let (verdict, said) = verified(&dir.0, Some(&head), false);
    assert_eq!(verdict, Verdict::Intact);
    assert_eq!(said, format!("intact: 4 records, seq 1..4, head {head}\n"));
    assert_eq!(verified(&dir.newest(), None, false).1, said);
}

#[tokio::test]
async fn every_changed_byte_is_found() {
    let (dir, _) = small().await;
    let bytes = fs::read(dir.newest()).unwrap();
    for at in 0..bytes.len() {
        for other in [bytes[at] ^ 1, b'\n', b' '] {
            if other == bytes[at] {
                continue;
            }
            let mut spoilt = bytes.clone();
            spoilt[at] = other;
            fs::write(dir.newest(), spoilt).unwrap();
            broken(&dir, &format!("byte {at} as {other}"));
        }
    }
}

#[tokio::test]
async fn every_removed_or_inserted_byte_is_found() {
    let (dir, _) = small().await;
    let bytes = fs::read(dir.newest()).unwrap();
    for at in 0..bytes.len() {
        let mut spoilt = bytes.clone();
        spoilt.remove(at);
        fs::write(dir.newest(), &spoilt).unwrap();
        broken(&dir, &format!("without byte {at}"));
        spoilt.insert(at, bytes[at]);
        spoilt.insert(at, b' ');
        fs::write(dir.newest(), &spoilt).unwrap();
        broken(&dir, &format!("a byte before {at}"));
    }
}

#[tokio::test]
async fn every_removed_swapped_repeated_or_cut_line_is_found() {
    let (dir, _) = small().await;
    let lines = dir.lines();
    let put = |lines: &[String]| {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(dir.newest(), text).unwrap();
    };
    for n in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(n);
        put(&without);
        broken(&dir, "removed");
        put(&lines[..n]);
        broken(&dir, "cut");
        let mut twice = lines.clone();
        twice.insert(n, lines[n].clone());
        put(&twice);
        broken(&dir, "repeated");
        for other in 0..n {
            let mut swapped = lines.clone();
            swapped.swap(n, other);
            put(&swapped);
            broken(&dir, "swapped");
        }
    }
    put(&lines);
    assert_eq!(verified(&dir.0, None, false).0, Verdict::Intact);
}

#[tokio::test]
async fn the_first_broken_line_is_named() {
    let (dir, _) = small().await;
    let text = fs::read_to_string(dir.newest()).unwrap();
    fs::write(dir.newest(), text.replacen("ci.access", "me.access", 1)).unwrap();
    assert_eq!(
        broken(&dir, "changed"),
        "broken: audit.jsonl line 2: changed after it was written\n"
    );
}

#[tokio::test]
async fn a_cut_tail_is_found_through_the_head_and_through_what_is_expected() {
    let (dir, head) = small().await;
    let lines = dir.lines();
    fs::write(dir.newest(), format!("{}\n{}\n", lines[0], lines[1])).unwrap();
    assert!(broken(&dir, "cut").contains("records 3 to 4 are missing"));
    // Whoever can cut the trail can also make its head agree, but not the journal.
    let file = dir.newest();
    assert_eq!(verified(&file, None, false).0, Verdict::Intact);
    let (verdict, said) = verified(&file, Some(&head), false);
    assert_eq!(verdict, Verdict::Broken);
    assert!(said.contains("record 4 is expected"), "{said}");
    fs::remove_file(dir.0.join("audit.head")).unwrap();
    assert!(broken(&dir, "no head").contains("audit.head is missing"));
}

#[tokio::test]
async fn another_record_in_the_place_of_the_expected_one_is_found() {
    let (dir, head) = small().await;
    let other = Anchor {
        seq: head.seq - 1,
        hash: head.hash,
    };
    let (verdict, said) = verified(&dir.0, Some(&other), false);
    assert_eq!(verdict, Verdict::Broken);
    assert!(said.contains("record 3 is not the one expected"), "{said}");
}

#[tokio::test]
async fn every_missing_or_changed_file_is_found() {
    let (whole, head) = rotated().await;
    assert_eq!(verified(&whole.0, Some(&head), false).0, Verdict::Intact);
    for entry in fs::read_dir(&whole.0).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "lock" || name == "environment" {
            continue;
        }
        let dir = whole.copy();
        fs::remove_file(dir.0.join(&name)).unwrap();
        broken(&dir, &format!("without {name}"));
        let dir = whole.copy();
        let mut bytes = fs::read(dir.0.join(&name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(dir.0.join(&name), bytes).unwrap();
        broken(&dir, &format!("another {name}"));
    }
}

#[tokio::test]
async fn a_partial_trail_may_begin_later_and_nothing_else() {
    let (dir, head) = rotated().await;
    fs::remove_file(dir.0.join("audit.000000000001.jsonl")).unwrap();
    broken(&dir, "the oldest is gone");
    let (verdict, said) = verified(&dir.0, Some(&head), true);
    assert_eq!(verdict, Verdict::Intact, "{said}");
    let lines = dir.lines();
    fs::write(dir.newest(), lines[1..].join("\n") + "\n").unwrap();
    assert_eq!(verified(&dir.0, None, true).0, Verdict::Broken);
}

#[tokio::test]
async fn a_trail_that_is_being_written_is_intact_and_damage_once_recorded_stays() {
    let (dir, _) = small().await;
    let (trail, _) = open(&dir);
    trail.append(started("b")).await.unwrap();
    assert_eq!(verified(&dir.0, None, false).0, Verdict::Intact);
    trail.close().await;
    let mut bytes = fs::read(dir.newest()).unwrap();
    bytes.extend(br#"{"v":1,"seq":7,"at"#);
    fs::write(dir.newest(), &bytes).unwrap();
    let (verdict, said) = verified(&dir.0, None, false);
    assert_eq!(verdict, Verdict::Intact);
    assert!(
        said.starts_with("note: audit.jsonl line 7: 18 bytes"),
        "{said}"
    );
    life(&dir, vec![]).await;
    assert_eq!(verified(&dir.0, None, false).0, Verdict::Intact);
    let aside = dir.0.join("audit.torn.000000000006.0.jsonl");
    fs::write(aside, "something else").unwrap();
    broken(&dir, "what was kept aside");

    let (dir, _) = small().await;
    let lines = dir.lines();
    fs::write(dir.newest(), format!("{}\n", lines[0])).unwrap();
    life(&dir, vec![]).await;
    assert!(broken(&dir, "cut").contains("records 2 to 4 are missing"));
}

#[test]
fn an_anchor_is_seq_and_hash() {
    let hash = "AB".repeat(32);
    let anchor: Anchor = format!("7:{hash}").parse().unwrap();
    assert_eq!((anchor.seq, anchor.hash), (7, hash.to_lowercase()));
    for wrong in ["", "7", "7:ab", "x:00", ":"] {
        assert!(wrong.parse::<Anchor>().is_err());
    }
}
