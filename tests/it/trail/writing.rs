//! What an answer of the trail means: the record is on disk, in order, and only in the agent's own file.

use std::fs;

use deploy_agent::audit::{Outcome, TrailError};

use super::events::{end, started};
use super::fixture::{TrailDir, quarantined};

#[tokio::test]
async fn a_record_is_on_disk_when_its_answer_says_so_and_chains_to_the_one_before() {
    let dir = TrailDir::new();
    let (trail, opened) = dir.open();
    assert_eq!(opened.seq, 1);
    assert!(opened.problems.is_empty() && quarantined(&opened).is_none());
    let first = trail.append(started("a")).await.unwrap();
    let second = trail.append(end("a", Outcome::Succeeded)).await.unwrap();
    assert_eq!((first.seq, second.seq), (2, 3));
    assert_eq!(trail.head(), second);
    assert_eq!(
        dir.events(),
        ["agent_started", "operation_started", "operation_ended"]
    );
    let last = &dir.records()[2];
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
    let dir = TrailDir::new();
    let (trail, _) = dir.open();
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
    let dir = TrailDir::new();
    let (trail, _) = dir.open();
    drop(trail.append(started("a")));
    drop(trail);
    assert_eq!(dir.events().last().unwrap(), "operation_started");
}

#[tokio::test]
async fn a_queue_that_grows_too_long_says_so_and_loses_nothing_it_took() {
    let dir = TrailDir::new();
    let (trail, _) = dir.open();
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

#[tokio::test]
async fn probe_refuses_a_trail_that_somebody_moved_replaced_or_wrote_to() {
    let dir = TrailDir::new();
    let (trail, _) = dir.open();
    trail.probe().await.unwrap();
    let bytes = fs::read(dir.newest()).unwrap();
    fs::rename(dir.newest(), dir.file("moved")).unwrap();
    let damaged = trail.probe().await.unwrap_err();
    assert!(matches!(damaged, TrailError::Damaged { .. }), "{damaged}");
    assert!(damaged.to_string().contains("audit.jsonl"), "{damaged}");
    for other in [&b""[..], &bytes] {
        fs::write(dir.newest(), other).unwrap();
        let damaged = trail.probe().await.unwrap_err();
        assert!(matches!(damaged, TrailError::Damaged { .. }), "{damaged}");
    }
    fs::rename(dir.file("moved"), dir.newest()).unwrap();
    trail.probe().await.unwrap();
    dir.put_at_end(b"x");
    let damaged = trail.probe().await.unwrap_err();
    assert!(matches!(damaged, TrailError::Damaged { .. }), "{damaged}");
}
