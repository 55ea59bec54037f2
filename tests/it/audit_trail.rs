//! Writing, recovery, rotation and the ledger.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use deploy_agent::audit::*;

use crate::audit_support::*;

#[tokio::test]
async fn a_record_is_on_disk_when_its_answer_says_so_and_chains_to_the_one_before() {
    let dir = Dir::new();
    let (trail, opened) = open(&dir);
    assert_eq!(opened.seq, 1);
    assert!(opened.problems.is_empty() && opened.torn.is_none());
    let first = trail.append(started("a")).await.unwrap();
    let second = trail.append(end("a", Outcome::Succeeded)).await.unwrap();
    assert_eq!((first.seq, second.seq), (2, 3));
    assert_eq!(trail.head(), second);
    assert_eq!(
        dir.events(),
        ["agent_started", "operation_started", "operation_ended"]
    );
    let last: serde_json::Value = serde_json::from_str(&dir.lines()[2]).unwrap();
    assert_eq!(last["prev"], first.hash);
    assert_eq!(last["agent_version"], "0.1.0");
    assert!(dir.lines()[2].starts_with(r#"{"v":1,"seq":3,"at":"20"#));
    trail.close().await;
    assert!(matches!(
        trail.append(started("b")).await,
        Err(TrailError::Closed)
    ));
    assert!(matches!(trail.probe().await, Err(TrailError::Closed)));
}

#[tokio::test]
async fn records_queued_together_keep_their_order() {
    let dir = Dir::new();
    let (trail, _) = open(&dir);
    let names: Vec<String> = (0..500).map(|n| format!("op{n}")).collect();
    let pending: Vec<_> = names.iter().map(|n| trail.append(started(n))).collect();
    for (n, pending) in pending.into_iter().enumerate() {
        assert_eq!(pending.await.unwrap().seq, n as u64 + 2);
    }
    for (line, name) in dir.lines().iter().skip(1).zip(&names) {
        assert!(line.contains(&format!("\"{name}\"")), "{line}");
    }
}

#[tokio::test]
async fn a_record_is_written_though_nobody_waits_for_its_answer() {
    let dir = Dir::new();
    let (trail, _) = open(&dir);
    drop(trail.append(started("a")));
    drop(trail);
    assert_eq!(dir.events().last().unwrap(), "operation_started");
}

#[tokio::test]
async fn only_one_agent_has_the_directory_and_it_is_free_after_close() {
    let dir = Dir::new();
    let (trail, _) = open(&dir);
    let other = trail_open(options(&dir.0));
    assert!(matches!(other, Err(TrailError::Locked(_))));
    trail.close().await;
    let (again, _) = open(&dir);
    drop(again);
    open(&dir);
}

#[tokio::test]
async fn another_environments_directory_is_refused() {
    let dir = Dir::new();
    life(&dir, vec![]).await;
    let mut other = options(&dir.0);
    other.environment = "prod".to_owned();
    let refused = trail_open(other).unwrap_err();
    assert!(matches!(refused, TrailError::OtherEnvironment { .. }));
    assert!(refused.to_string().contains("belongs to environment dev"));
    open(&dir);
}

#[tokio::test]
async fn everything_is_made_for_the_agent_alone() {
    let dir = Dir::new();
    let state = dir.0.join("deep/state");
    let mut how = options(&state);
    how.rotate_at = 1000;
    let (trail, _) = trail_open(how).unwrap();
    for n in 0..10 {
        trail.append(started(&n.to_string())).await.unwrap();
    }
    trail.close().await;
    drop(Fingerprinter::open(&state).unwrap());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&state), 0o700);
    let mut seen = 0;
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        seen += 1;
    }
    assert!(seen > 6);
}

#[tokio::test]
async fn what_others_may_reach_is_refused() {
    for (name, mode) in [
        ("", 0o750),
        ("", 0o701),
        ("audit.jsonl", 0o640),
        ("audit.jsonl", 0o602),
        ("lock", 0o660),
        ("environment", 0o644),
    ] {
        let dir = Dir::new();
        life(&dir, vec![]).await;
        let path = dir.0.join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = trail_open(options(&dir.0)).unwrap_err();
        assert!(
            matches!(refused, TrailError::TooOpen { mode: m, .. } if m == mode),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_link_a_directory_or_a_pipe_is_no_trail() {
    let dir = Dir::new();
    let elsewhere = dir.0.join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, dir.newest()).unwrap();
    let refused = |dir: &Dir| trail_open(options(&dir.0)).unwrap_err();
    assert!(matches!(refused(&dir), TrailError::NotAFile(_)));
    fs::remove_file(dir.newest()).unwrap();
    fs::create_dir(dir.newest()).unwrap();
    assert!(matches!(refused(&dir), TrailError::NotAFile(_)));
    let file = trail_open(options(&elsewhere)).unwrap_err();
    assert!(file.to_string().contains("not a directory"), "{file}");
}

#[tokio::test]
async fn a_torn_last_line_is_kept_aside_at_every_byte_and_recorded() {
    let whole = Dir::new();
    life(&whole, vec![started("a"), step("a", "pull")]).await;
    let bytes = fs::read(whole.newest()).unwrap();
    let body = &bytes[..bytes.len() - 1];
    let last = body.iter().rposition(|b| *b == b'\n').unwrap() + 1;
    for cut in last + 1..bytes.len() {
        let dir = whole.copy();
        fs::write(dir.newest(), &bytes[..cut]).unwrap();
        fs::write(dir.0.join("audit.head"), head_of(&bytes[..last], 2)).unwrap();
        let (trail, opened) = open(&dir);
        let torn = opened.torn.expect("something was torn");
        assert_eq!(torn.bytes, (cut - last) as u64);
        assert_eq!(fs::read(dir.0.join(&torn.file)).unwrap(), &bytes[last..cut]);
        assert!(opened.problems.is_empty(), "{:?}", opened.problems);
        assert_eq!(opened.unfinished.len(), 1);
        trail.close().await;
        assert_eq!(dir.events()[2..], ["agent_started", "torn_line_kept_aside"]);
        let (verdict, said) = verified(&dir.0, None, false);
        assert_eq!(verdict, Verdict::Intact, "{said}");
    }
}

fn head_of(lines: &[u8], seq: u64) -> String {
    let start = lines[..lines.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &lines[start..]);
    let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("{seq}:{hex}\n")
}

#[tokio::test]
async fn a_last_line_of_garbage_is_kept_aside_too() {
    let dir = Dir::new();
    life(&dir, vec![]).await;
    let mut bytes = fs::read(dir.newest()).unwrap();
    bytes.extend(b"\0\0\0\n{\"seq\":\n");
    fs::write(dir.newest(), bytes).unwrap();
    let (_trail, opened) = open(&dir);
    assert_eq!(opened.torn.unwrap().bytes, 12);
}

#[tokio::test]
async fn bytes_moved_aside_by_a_start_that_was_cut_short_are_recorded_by_the_next() {
    let dir = Dir::new();
    let head = life(&dir, vec![]).await;
    let aside = dir.0.join(format!("audit.torn.{:012}.0.jsonl", head.seq));
    fs::write(&aside, "half a li").unwrap();
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o600)).unwrap();
    let (_trail, opened) = open(&dir);
    assert_eq!(opened.torn.unwrap().bytes, 9);
    assert_eq!(dir.events().last().unwrap(), "torn_line_kept_aside");
}

#[tokio::test]
async fn a_changed_line_is_recorded_once_and_the_agent_goes_on() {
    let dir = Dir::new();
    life(&dir, vec![started("a"), end("a", Outcome::Failed)]).await;
    let text = fs::read_to_string(dir.newest()).unwrap();
    fs::write(dir.newest(), text.replacen("ci.access", "me.access", 1)).unwrap();
    let (trail, opened) = open(&dir);
    assert_eq!(
        opened.problems,
        ["audit.jsonl line 2: changed after it was written"]
    );
    trail.close().await;
    assert_eq!(dir.events()[3..], ["agent_started", "trail_damaged"]);
    let (trail, opened) = open(&dir);
    assert_eq!(opened.problems.len(), 1);
    trail.close().await;
    assert_eq!(dir.events()[5..], ["agent_started"]);
}

#[tokio::test]
async fn a_tail_that_was_cut_off_shows_at_the_next_start() {
    let dir = Dir::new();
    life(&dir, vec![started("a"), end("a", Outcome::Failed)]).await;
    let lines = dir.lines();
    fs::write(dir.newest(), format!("{}\n", lines[0])).unwrap();
    let (_trail, opened) = open(&dir);
    assert_eq!(
        opened.problems,
        ["records 2 to 3 are missing at the end of the trail"]
    );
    assert_eq!(dir.events().last().unwrap(), "trail_damaged");
}

#[tokio::test]
async fn a_trail_that_was_removed_shows_at_the_next_start() {
    let dir = Dir::new();
    life(&dir, vec![started("a")]).await;
    fs::remove_file(dir.newest()).unwrap();
    assert_eq!(open(&dir).1.problems.len(), 1);
    fs::remove_file(dir.0.join("audit.head")).unwrap();
    assert_eq!(open(&dir).1.problems, ["audit.head is missing"]);
}

#[tokio::test]
async fn an_operation_without_an_outcome_is_found_with_its_last_step_until_it_is_closed() {
    let dir = Dir::new();
    let events = vec![
        started("done"),
        end("done", Outcome::Succeeded),
        started("a"),
        step("a", "pull"),
        step("a", "stop"),
    ];
    life(&dir, events).await;
    let (trail, opened) = open(&dir);
    assert_eq!(
        opened.unfinished,
        [Unfinished {
            operation: "a".to_owned(),
            kind: "deploy".to_owned(),
            image: Some("ghcr.io/ceerkle/dreichor-trading/runtime:v1".to_owned()),
            last_step: Some("stop".to_owned()),
        }]
    );
    trail
        .append(Event::OperationInterrupted(OperationInterrupted {
            operation: "a".to_owned(),
            kind: "deploy".to_owned(),
            last_step: Some("stop".to_owned()),
            state: RuntimeState::Nothing,
            container_id: None,
            image: None,
        }))
        .await
        .unwrap();
    trail.close().await;
    assert!(open(&dir).1.unfinished.is_empty());
}

#[tokio::test]
async fn the_ledger_keeps_the_first_identity_of_a_tag() {
    let dir = Dir::new();
    let (trail, _) = open(&dir);
    assert!(trail.ledger_lookup("r:v1").is_none());
    trail.append(tag_ran("a", "r:v1", "one")).await.unwrap();
    trail.append(tag_ran("b", "r:v1", "two")).await.unwrap();
    let entry = trail.ledger_lookup("r:v1").unwrap();
    assert_eq!(
        (entry.image_id.as_str(), entry.operation.as_str()),
        ("one", "a")
    );
    trail.close().await;
    let (trail, opened) = open(&dir);
    assert_eq!(opened.ledger_tags, 1);
    assert_eq!(trail.ledger_lookup("r:v1"), Some(entry));
}

#[tokio::test]
async fn the_ledger_and_what_is_under_way_survive_rotation() {
    let dir = Dir::new();
    let mut how = options(&dir.0);
    how.rotate_at = 2000;
    let (trail, _) = trail_open(how.clone()).unwrap();
    trail.append(started("long")).await.unwrap();
    trail.append(step("long", "pull")).await.unwrap();
    for n in 0..60 {
        let reference = format!("r:v{n}");
        trail
            .append(tag_ran("x", &reference, &n.to_string()))
            .await
            .unwrap();
    }
    trail.close().await;
    let files = finished(&dir);
    assert!(files.len() > 5, "{files:?}");
    assert_eq!(files[0], "audit.000000000001.jsonl");
    assert_eq!(dir.events()[0], "trail_continued");
    let (verdict, said) = verified(&dir.0, Some(&trail.head()), false);
    assert_eq!(verdict, Verdict::Intact, "{said}");

    let (trail, opened) = trail_open(how).unwrap();
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    assert_eq!(opened.ledger_tags, 60);
    assert_eq!(opened.unfinished[0].last_step.as_deref(), Some("pull"));
    assert_eq!(trail.ledger_lookup("r:v0").unwrap().image_id, "0");
}

fn finished(dir: &Dir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&dir.0)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("audit.0"))
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_crash_between_the_two_renames_of_a_rotation_is_completed() {
    let dir = Dir::new();
    life(&dir, vec![started("a"), tag_ran("a", "r:v1", "one")]).await;
    fs::rename(dir.newest(), dir.0.join("audit.000000000001.jsonl")).unwrap();
    fs::write(dir.0.join("audit.next"), "{}").unwrap();
    let (trail, opened) = open(&dir);
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    assert_eq!((opened.ledger_tags, opened.unfinished.len()), (1, 1));
    trail.close().await;
    assert_eq!(dir.events(), ["trail_continued", "agent_started"]);
    let (verdict, said) = verified(&dir.0, None, false);
    assert_eq!(verdict, Verdict::Intact, "{said}");
}

#[tokio::test]
async fn a_ledger_file_that_was_changed_is_rebuilt_from_the_trail_and_recorded() {
    let dir = Dir::new();
    let mut how = options(&dir.0);
    how.rotate_at = 1000;
    let (trail, _) = trail_open(how.clone()).unwrap();
    for n in 0..20 {
        trail
            .append(tag_ran("x", &format!("r:v{n}"), "id"))
            .await
            .unwrap();
    }
    trail.close().await;
    let first: serde_json::Value = serde_json::from_str(&dir.lines()[0]).unwrap();
    let ledger = dir.0.join(first["ledger"]["file"].as_str().unwrap());
    let text = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, text.replace("r:v0", "r:w0")).unwrap();
    let (trail, opened) = trail_open(how).unwrap();
    assert!(
        opened.problems[0].contains("not the ledger"),
        "{:?}",
        opened.problems
    );
    assert_eq!(opened.ledger_tags, 20);
    assert!(trail.ledger_lookup("r:v0").is_some());
}

#[tokio::test]
async fn a_flood_of_rejections_is_counted_and_stays_small() {
    let dir = Dir::new();
    let (trail, _) = open(&dir);
    for _ in 0..5000 {
        trail.rejected(Rejection {
            http: 403,
            request: "POST /v1/deploy".to_owned(),
            reason: "x".repeat(100_000),
            ..Rejection::default()
        });
    }
    trail.close().await;
    let lines = dir.lines();
    assert!(lines.len() < 30, "{}", lines.len());
    assert!(fs::metadata(dir.newest()).unwrap().len() < 100_000);
    let told: serde_json::Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!(told["event"], "rejections_suppressed");
    assert_eq!(
        told["count"].as_u64().unwrap() as usize + lines.len() - 2,
        5000
    );
}

#[tokio::test]
async fn text_of_others_is_cut_and_cannot_move_a_cursor_or_begin_a_line() {
    let dir = Dir::new();
    let (trail, _) = open(&dir);
    let mut hostile = ended("a\nb", Outcome::Failed);
    hostile.reason = Some(format!(
        "\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\r\n{}",
        "ü".repeat(5000)
    ));
    hostile.image = Some("é".repeat(400));
    trail
        .append(Event::OperationEnded(Box::new(hostile)))
        .await
        .unwrap();
    trail.close().await;
    let lines = dir.lines();
    assert_eq!(lines.len(), 2);
    assert!(!lines[1].chars().any(|c| c.is_control() || c == '\u{202e}'));
    let line: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
    let reason = line["reason"].as_str().unwrap();
    assert!(reason.starts_with("\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\r\nü") && reason.ends_with("ü…"));
    assert!(reason.len() <= 2048 + '…'.len_utf8());
    assert_eq!(
        line["image"].as_str().unwrap(),
        format!("{}…", "é".repeat(256))
    );
}

#[tokio::test]
async fn probe_refuses_a_trail_that_somebody_moved_replaced_or_wrote_to() {
    let dir = Dir::new();
    let (trail, _) = open(&dir);
    trail.probe().await.unwrap();
    let bytes = fs::read(dir.newest()).unwrap();
    fs::rename(dir.newest(), dir.0.join("moved")).unwrap();
    assert!(matches!(
        trail.probe().await,
        Err(TrailError::Damaged { .. })
    ));
    fs::write(dir.newest(), &bytes).unwrap();
    assert!(matches!(
        trail.probe().await,
        Err(TrailError::Damaged { .. })
    ));
    fs::rename(dir.0.join("moved"), dir.newest()).unwrap();
    trail.probe().await.unwrap();
    fs::write(dir.newest(), [&bytes[..], b"x"].concat()).unwrap();
    assert!(matches!(
        trail.probe().await,
        Err(TrailError::Damaged { .. })
    ));
}

#[test]
fn fingerprints_tell_values_apart_and_depend_on_the_key() {
    let (here, there) = (Dir::new(), Dir::new());
    let key = Fingerprinter::open(&here.0).unwrap();
    let one = key.of([("B", "2"), ("A", "1"), ("A", "1")]);
    assert_eq!(one.names, ["A", "B"]);
    assert_eq!(one.fingerprint.len(), 64);
    assert_eq!(one, key.clone().of([("A", "1"), ("B", "2")]));
    assert_eq!(
        one,
        Fingerprinter::open(&here.0)
            .unwrap()
            .of([("A", "1"), ("B", "2")])
    );
    for other in [
        [("A", "1"), ("B", "3")],
        [("A", "1B"), ("", "2")],
        [("A1", ""), ("B", "2")],
    ] {
        assert_ne!(one.fingerprint, key.of(other).fingerprint);
    }
    let elsewhere = Fingerprinter::open(&there.0)
        .unwrap()
        .of([("A", "1"), ("B", "2")]);
    assert_ne!(one.fingerprint, elsewhere.fingerprint);
    fs::write(here.0.join("fingerprint.key"), "short").unwrap();
    assert!(Fingerprinter::open(&here.0).is_err());
    let key = here.0.join("fingerprint.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        Fingerprinter::open(&here.0),
        Err(TrailError::TooOpen { .. })
    ));
}

#[tokio::test]
async fn a_queue_that_grows_too_long_says_so_and_loses_nothing_it_took() {
    let dir = Dir::new();
    let (trail, _) = open(&dir);
    let pending: Vec<_> = (0..50_000)
        .map(|n| trail.append(started(&n.to_string())))
        .collect();
    let (mut taken, mut behind) = (0, 0);
    for pending in pending {
        match pending.await {
            Ok(_) => taken += 1,
            Err(TrailError::Behind(waiting)) => {
                assert!(waiting >= 1024);
                behind += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(taken >= 1024 && behind > 0, "{taken} and {behind}");
    trail.close().await;
    assert_eq!(trail.head().seq, taken + 1);
    assert_eq!(dir.lines().len() as u64, taken + 1);
}
