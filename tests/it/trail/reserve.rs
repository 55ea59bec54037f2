//! The room that is kept for a stop: real blocks from the start, given back when nothing else is left, made again; and a
//! trail that cannot be opened for want of room.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::time::Duration;

use deploy_agent::audit::{
    Event, Opened, Outcome, ROTATE_AT, Readiness, Trail, TrailError, TrailOptions,
};

use super::events::{end, ended, started, step};
use super::fixture::TrailDir;
use super::small_disk::SmallDisk;

/// 512 KiB.
const WHOLE: u64 = 524_288;

fn is_whole(dir: &TrailDir) -> bool {
    let found = fs::symlink_metadata(dir.file("reserve"));
    found.is_ok_and(|found| {
        found.is_file()
            && found.len() == WHOLE
            && found.blocks() * 512 >= WHOLE
            && found.permissions().mode() & 0o7777 == 0o600
    })
}

#[tokio::test]
async fn what_is_no_reserve_of_blocks_is_made_one_at_the_start() {
    let dir = TrailDir::new();
    dir.life(vec![]).await;
    assert!(is_whole(&dir));
    let reserve = dir.file("reserve");
    let elsewhere = dir.file("elsewhere");
    fs::write(&elsewhere, "of somebody else").unwrap();
    let make_holes = || fs::File::create(&reserve).unwrap().set_len(WHOLE).unwrap();
    let make_short = || fs::write(&reserve, "short").unwrap();
    let make_link = || symlink(&elsewhere, &reserve).unwrap();
    let make_pipe = || {
        let made = Command::new("mkfifo").arg(&reserve).status();
        assert!(made.unwrap().success());
    };
    let none = || {};
    let odd: [&dyn Fn(); 5] = [&make_holes, &make_short, &make_link, &make_pipe, &none];
    for (n, make) in odd.iter().enumerate() {
        fs::remove_file(&reserve).unwrap();
        make();
        assert!(!is_whole(&dir), "{n}");
        let (trail, _) = dir.open();
        trail.probe().await.unwrap();
        trail.close().await;
        assert!(is_whole(&dir), "{n}");
    }
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "of somebody else");
    dir.assert_intact();
}

#[tokio::test]
async fn a_directory_in_its_place_refuses_operations_by_name_and_no_stop() {
    let dir = TrailDir::new();
    fs::create_dir(dir.file("reserve")).unwrap();
    let (trail, _) = dir.open();
    let refused = trail.probe().await.unwrap_err().to_string();
    assert!(refused.contains("/reserve: Is a directory"), "{refused}");
    trail.append_or_owe(started("a"), true).await.unwrap();
    fs::remove_dir(dir.file("reserve")).unwrap();
    trail.probe().await.unwrap();
    trail.close().await;
    dir.assert_intact();
}

/// Long, so that few are many.
fn long(operation: &str) -> Event {
    let mut long = ended(operation, Outcome::Failed);
    long.reason = Some("x".repeat(1000));
    Event::OperationEnded(Box::new(long))
}

#[tokio::test]
async fn a_stop_takes_the_reserve_and_what_finds_no_room_is_owed() {
    let disk = SmallDisk::new("2m");
    let (trail, _) = disk.state.open();
    disk.fill();
    while trail.append(long("a")).await.is_ok() {}
    let used_up = disk.state.text().len() as u64;
    assert!(is_whole(&disk.state), "that is not for everybody");
    assert!(matches!(
        trail.append_to_spare(step("a", "pull")).await,
        Err(TrailError::NoRoomToSpare)
    ));
    // Whoever reads it does not keep its blocks.
    let reader = fs::File::open(disk.state.file("reserve")).unwrap();
    let mut stops = 0;
    while trail.append_or_owe(long("stop"), true).await.is_ok() {
        stops += 1;
        assert!(stops < 2000, "the disk is full");
    }
    let all = disk.state.text().len() as u64;
    assert!(
        all - used_up > WHOLE * 9 / 10,
        "{} of {WHOLE}",
        all - used_up
    );
    assert_eq!(reader.metadata().unwrap().len(), 0);
    let pending: Vec<_> = (0..3)
        .map(|n| trail.append_or_owe(step(&format!("owed{n}"), "stop"), true))
        .collect();
    for pending in pending {
        pending.await.unwrap_err();
    }
    // A shorter one may not come before what is owed.
    trail
        .append(end("b", Outcome::Succeeded))
        .await
        .unwrap_err();
    assert!(trail.trouble().borrow().is_some());
    disk.free();
    trail.append(end("c", Outcome::Succeeded)).await.unwrap();
    trail.probe().await.unwrap();
    assert!(trail.trouble().borrow().is_none());
    assert!(is_whole(&disk.state));
    trail.close().await;
    let records = disk.state.records();
    let operations: Vec<&str> = records
        .iter()
        .filter_map(|record| record["operation"].as_str())
        .collect();
    let last = &operations[operations.len() - 5..];
    assert_eq!(last, ["stop", "owed0", "owed1", "owed2", "c"]);
    let written = operations.iter().filter(|one| **one == "stop").count();
    assert_eq!(written, stops + 1, "the one that failed is owed too");
    disk.state.assert_intact();
}

fn start(dir: &TrailDir) -> (Trail, Readiness) {
    let options = TrailOptions {
        state_directory: dir.path().to_owned(),
        environment: "dev".to_owned(),
        agent_version: "0.1.0".to_owned(),
        rotate_at: ROTATE_AT,
    };
    Trail::open_or_wait(options).unwrap()
}

/// What a trail that waits finds when it is opened.
async fn opened(readiness: Readiness) -> Opened {
    let Readiness::Waiting(error, later) = readiness else {
        panic!("there was room")
    };
    assert!(error.to_string().contains("No space left"), "{error}");
    let opened = tokio::time::timeout(Duration::from_secs(20), later).await;
    opened.expect("it is opened").unwrap()
}

#[tokio::test]
async fn a_trail_that_finds_no_room_at_its_start_is_opened_when_there_is_some() {
    let disk = SmallDisk::new("2m");
    // Once for a directory that is new, once for one with a trail that a crash tore.
    for life in ["new", "torn"] {
        if life == "torn" {
            disk.state.put_at_end(b"half a li");
            fs::remove_file(disk.state.file("reserve")).unwrap();
        }
        disk.fill();
        let (trail, readiness) = start(&disk.state);
        assert!(!trail.is_open(), "{life}");
        let trouble = trail.trouble().borrow().clone();
        assert!(trouble.is_some_and(|why| why.contains("No space left")));
        assert!(trail.probe().await.is_err());
        assert!(trail.append(started("a")).await.is_err());
        let owed = trail.append_or_owe(started(life), true).await;
        assert!(owed.is_err());
        disk.free();
        let opened = opened(readiness).await;
        assert_eq!(opened.torn.is_some(), life == "torn");
        assert!(trail.is_open());
        // What the agent has to do first is not done yet.
        let refused = trail.probe().await.unwrap_err();
        assert!(matches!(refused, TrailError::NotReady), "{refused}");
        trail.admit();
        trail.probe().await.unwrap();
        assert!(trail.trouble().borrow().is_none());
        assert!(is_whole(&disk.state));
        trail.close().await;
        assert!(
            disk.state
                .text()
                .contains(&format!("\"operation\":\"{life}\""))
        );
        disk.state.assert_intact();
    }
}

#[tokio::test]
async fn a_start_on_a_full_disk_takes_the_reserve_for_what_a_crash_tore() {
    let disk = SmallDisk::new("2m");
    disk.state.life(vec![started("a")]).await;
    disk.state.put_at_end(b"half a li");
    disk.fill();
    let (trail, readiness) = start(&disk.state);
    let Readiness::Open(opened) = readiness else {
        panic!("the reserve has room for it")
    };
    assert_eq!(opened.torn.unwrap().bytes, 9);
    // What is left of it is for a stop, and no longer for an operation.
    assert!(trail.probe().await.is_err());
    trail.append_or_owe(started("stop"), true).await.unwrap();
    disk.free();
    trail.probe().await.unwrap();
    trail.close().await;
    assert!(is_whole(&disk.state));
    disk.state.assert_intact();
}
