//! A disk that is full, and one that turned read-only: nothing half is written, and what has begun can be recorded to
//! its end.

use deploy_agent::audit::{Event, Outcome, Rejection, TrailError, Verdict};

use super::events::{deploy, end, ended, rejection, started, step};
use super::fixture::verdict_of;
use super::small_disk::SmallDisk;

#[tokio::test]
async fn an_operation_begun_before_the_disk_was_full_is_recorded_to_its_end() {
    let disk = SmallDisk::new("2m");
    let (trail, _) = disk.state.open();
    trail.append(started("a")).await.unwrap();
    disk.fill();
    for n in 0..100 {
        let recorded = trail.append(step("a", "pull")).await;
        recorded.unwrap_or_else(|error| panic!("{n}: room was set aside: {error}"));
    }
    trail.append(end("a", Outcome::Succeeded)).await.unwrap();
    let refused = trail.probe().await.unwrap_err();
    assert!(
        matches!(
            &refused,
            TrailError::Io {
                act: "set room aside in",
                ..
            }
        ),
        "{refused}"
    );
    disk.free();
    trail.probe().await.unwrap();
    trail.close().await;
    disk.state.assert_intact();
}

#[tokio::test]
async fn on_a_full_disk_nothing_begins_and_space_mends_it() {
    let disk = SmallDisk::new("2m");
    let (trail, _) = disk.state.open();
    trail.probe().await.unwrap();
    disk.fill();
    // What was set aside before is used up by whole operations; then nothing begins any more.
    let mut whole = 0;
    let refused = loop {
        match trail.probe().await {
            Ok(()) => {
                for event in deploy("a", "r:v1") {
                    trail.append(event).await.unwrap();
                }
            }
            Err(error) => break error.to_string(),
        }
        whole += 1;
        assert!(whole < 1000, "the disk is full");
    };
    assert!(refused.contains("audit.jsonl"), "{refused}");
    disk.free();
    trail.probe().await.unwrap();
    for event in deploy("b", "r:v2") {
        trail.append(event).await.unwrap();
    }
    trail.close().await;
    let ended = disk.state.text().matches("operation_ended").count();
    assert_eq!(ended, whole + 1, "each that began has its end");
    disk.state.assert_intact();
}

#[tokio::test]
async fn a_record_that_does_not_fit_leaves_nothing_and_the_next_tries_again() {
    let disk = SmallDisk::new("2m");
    let (trail, _) = disk.state.open();
    disk.fill();
    let long = || {
        let mut long = ended("a", Outcome::Failed);
        long.reason = Some("x".repeat(2000));
        Event::OperationEnded(Box::new(long))
    };
    let mut written = 1;
    let refused = loop {
        match trail.append(long()).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(written > 50, "the reserve takes {written}");
    assert!(refused.to_string().contains("No space left"), "{refused}");
    let head = trail.head();
    assert_eq!(head.seq, written);
    let text = disk.state.text();
    assert!(text.ends_with('\n'));
    assert_eq!(text.lines().count() as u64, written);
    // Short enough for what is left, which is not for it.
    trail.rejected(Rejection::default());
    assert!(trail.probe().await.is_err());
    assert_eq!(trail.head(), head);
    disk.free();
    trail.probe().await.unwrap();
    assert_eq!(trail.append(long()).await.unwrap().seq, written + 1);
    trail.close().await;
    let last = disk.state.events().pop().unwrap();
    assert_eq!(last, "rejections_suppressed");
    let (verdict, said) = verdict_of(disk.state.path(), Some(&trail.head()), false);
    assert_eq!(verdict, Verdict::Intact, "{said}");
}

#[tokio::test]
async fn a_rejection_leaves_what_was_set_aside_to_what_is_under_way() {
    let disk = SmallDisk::new("2m");
    let (trail, _) = disk.state.open();
    trail.append(started("a")).await.unwrap();
    disk.fill();
    // Far more than half of it, and not all.
    while disk.state.text().len() < 160 * 1024 {
        trail.append(step("a", "pull")).await.unwrap();
    }
    trail.rejected(rejection("no"));
    trail.append(end("a", Outcome::Succeeded)).await.unwrap();
    let events = disk.state.events();
    assert_eq!(events.last().unwrap(), "operation_ended");
    assert!(!events.contains(&"rejected".to_owned()));
    trail.close().await;
    assert_eq!(disk.state.records().last().unwrap()["count"], 1);
    disk.state.assert_intact();
}

#[tokio::test]
async fn a_disk_without_room_for_the_reserve_does_not_pass_the_probe() {
    let disk = SmallDisk::new("64k");
    let (trail, _) = disk.state.open();
    trail.append(started("a")).await.unwrap();
    assert!(trail.probe().await.is_err());
}

#[tokio::test]
async fn a_rotation_that_finds_no_room_waits_in_the_old_file() {
    let disk = SmallDisk::new("2m");
    let (trail, _) = disk.state.open_rotating(8 * 1024);
    disk.fill();
    for _ in 0..40 {
        trail.append(started("a")).await.unwrap();
    }
    trail.close().await;
    let text = disk.state.text();
    assert!(text.starts_with(r#"{"v":1,"seq":1,"#));
    assert_eq!(text.lines().count(), 41);
    let (verdict, said) = verdict_of(disk.state.path(), None, true);
    assert_eq!(verdict, Verdict::Intact, "{said}");
}

#[tokio::test]
async fn a_read_only_directory_is_refused_at_the_start_by_name() {
    let disk = SmallDisk::new("2m");
    disk.state.life(vec![]).await;
    disk.turn_read_only();
    let refused = disk.state.refusal();
    assert!(refused.contains("Read-only file system"), "{refused}");
    let directory = disk.state.path().display().to_string();
    assert!(refused.contains(&directory), "{refused}");
}
