//! What `check` says of a state directory before a start, and beside the agent that runs: the start proves it right.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use deploy_agent::audit::{Fingerprinter, Occupancy, examine, rehearse};

use super::events::{deploy, started};
use super::fixture::TrailDir;
use super::small_disk::SmallDisk;

/// What would be told of it, each as a sentence.
fn told(directory: &Path) -> Vec<String> {
    let occupancy = match examine(directory, "dev") {
        Ok(occupancy) => occupancy,
        Err(error) => return vec![error.to_string()],
    };
    let found = rehearse(directory, occupancy);
    let hindrances = found.hindrances.iter().map(ToString::to_string);
    hindrances.chain(found.damage).collect()
}

/// Whether the agent's start would go through.
fn starts(dir: &TrailDir) -> bool {
    dir.try_open().is_ok() && Fingerprinter::open(dir.path()).is_ok()
}

/// As after a restore by root, or by hand: it is somebody else's, others may reach it, or it is another kind of thing.
fn spoil(path: &Path, how: &str) {
    let elsewhere = path.with_extension("elsewhere");
    match how {
        "owner" => chown(path, Some(12345), None).expect("needs root"),
        "mode" => fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap(),
        "link" => {
            fs::rename(path, &elsewhere).unwrap();
            symlink(&elsewhere, path).unwrap();
        }
        "directory" => {
            fs::rename(path, &elsewhere).unwrap();
            fs::create_dir(path).unwrap();
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_file_that_a_start_refuses_is_told_before() {
    for name in ["audit.jsonl", "lock", "environment", "fingerprint.key"] {
        for how in ["owner", "mode", "link", "directory"] {
            let dir = TrailDir::new();
            Fingerprinter::open(dir.path()).unwrap();
            dir.life(deploy("a", "r:1.0.0")).await;
            assert_eq!(told(dir.path()), Vec::<String>::new());
            spoil(&dir.file(name), how);
            let said = told(dir.path());
            assert!(
                said.len() == 1 && said[0].contains(&dir.file(name).display().to_string()),
                "{name} {how}: {said:?}"
            );
            assert!(!starts(&dir), "{name} {how}");
        }
    }
}

#[tokio::test]
async fn what_is_read_or_replaced_must_be_what_it_is_and_may_be_anybodys() {
    let dir = TrailDir::new();
    let events = (0..10).map(|n| started(&n.to_string())).collect();
    dir.life_rotating(1000, events).await;
    let (finished, ledger) = (dir.finished().remove(0), dir.ledger());
    let names = ["audit.head", &finished, &ledger, "reserve"];
    for name in names {
        spoil(&dir.file(name), "owner");
    }
    assert_eq!(told(dir.path()), Vec::<String>::new());
    assert!(starts(&dir));
    for name in names {
        let dir = dir.copy();
        fs::remove_file(dir.file(name)).unwrap();
        fs::create_dir(dir.file(name)).unwrap();
        let said = told(dir.path()).concat();
        let path = dir.file(name).display().to_string();
        assert!(said.contains(&path), "{name}: {said}");
    }
    for name in ["audit.next", "reserve.new", "audit.head.new"] {
        fs::create_dir(dir.file(name)).unwrap();
        assert!(told(dir.path()).concat().contains(name), "{name}");
        fs::remove_dir(dir.file(name)).unwrap();
    }
}

#[tokio::test]
async fn a_trail_or_a_key_that_ends_a_start_is_told_before() {
    let dir = TrailDir::new();
    dir.life(deploy("a", "r:1.0.0")).await;
    fs::write(dir.file("fingerprint.key"), "short").unwrap();
    fs::set_permissions(
        dir.file("fingerprint.key"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let said = told(dir.path());
    assert!(said.concat().contains("a key of 32 bytes"), "{said:?}");
    fs::remove_file(dir.file("fingerprint.key")).unwrap();
    let newer = dir.lines()[0].replacen("\"v\":", "\"v\":9", 1);
    dir.put_at_end(format!("{newer}\n").as_bytes());
    let said = told(dir.path());
    assert!(
        said.len() == 1 && said[0].contains("audit.jsonl"),
        "{said:?}"
    );
    assert!(!starts(&dir));
}

#[tokio::test]
async fn damage_that_a_start_would_record_is_told_before_and_once() {
    let dir = TrailDir::new();
    dir.life(deploy("a", "r:1.0.0")).await;
    let whole = dir.lines();
    // As from a backup that is older than the head.
    dir.put_lines(&whole[..whole.len() - 2]);
    let said = told(dir.path());
    assert_eq!(said.len(), 1, "{said:?}");
    let (trail, opened) = dir.open();
    assert_eq!(opened.problems, said);
    assert!(!trail.doubts().is_empty());
    trail.close().await;
    assert_eq!(told(dir.path()), Vec::<String>::new(), "it is recorded");
    // Half a line is what a crash leaves.
    dir.put_at_end(b"{\"v\":1,\"se");
    assert_eq!(told(dir.path()), Vec::<String>::new());
    assert!(starts(&dir));
}

#[tokio::test]
async fn beside_the_agent_that_runs_nothing_is_taken_or_changed_and_its_files_count() {
    let dir = TrailDir::new();
    Fingerprinter::open(dir.path()).unwrap();
    let (trail, _) = dir.open();
    let before = (dir.names(), dir.text());
    assert_eq!(examine(dir.path(), "dev").unwrap(), Occupancy::Held);
    assert_eq!(told(dir.path()), Vec::<String>::new());
    assert_eq!((dir.names(), dir.text()), before);
    spoil(&dir.file("fingerprint.key"), "owner");
    let said = told(dir.path());
    assert!(said.concat().contains("belongs to user 12345"), "{said:?}");
    trail.append(started("a")).await.unwrap();
    trail.probe().await.unwrap();
    trail.close().await;
    assert!(!starts(&dir));
}

#[test]
fn a_directory_that_could_not_be_made_is_told_and_none_is_made() {
    let disk = SmallDisk::new("2m");
    let missing = disk.mounted().join("deep/state");
    assert_eq!(told(&missing), Vec::<String>::new());
    disk.turn_read_only();
    let said = told(&missing);
    assert!(said.concat().contains("Read-only file system"), "{said:?}");
    let refusal = TrailDir::at(missing.clone()).refusal();
    assert!(refusal.contains("Read-only file system"), "{refusal}");

    let dir = TrailDir::new();
    fs::write(dir.file("file"), "").unwrap();
    let said = told(&dir.file("file/state"));
    assert!(said.concat().contains("Not a directory"), "{said:?}");
    symlink(dir.file("nowhere"), dir.file("link")).unwrap();
    let said = told(&dir.file("link"));
    assert!(said.concat().contains("No such file"), "{said:?}");
    assert!(TrailDir::at(dir.file("link")).try_open().is_err());
    assert_eq!(dir.names(), ["file", "link"]);
}

#[tokio::test]
async fn a_directory_on_a_disk_without_room_is_told_by_the_agents_own_rule() {
    let disk = SmallDisk::new("2m");
    let path = disk.state.path();
    disk.fill();
    let said = told(path);
    assert!(said.concat().contains("No space left"), "{said:?}");
    disk.free();
    assert_eq!(told(path), Vec::<String>::new());
    let (trail, _) = disk.state.open();
    disk.fill();
    // Until what is set aside is used up both say yes, then both say no.
    let mut deploys = 0;
    while trail.probe().await.is_ok() {
        assert_eq!(told(path), Vec::<String>::new(), "{deploys}");
        for event in deploy("a", "r:v1") {
            trail.append(event).await.unwrap();
        }
        deploys += 1;
        assert!(deploys < 1000, "the disk is full");
    }
    let said = told(path);
    assert!(said.concat().contains("No space left"), "{said:?}");
    trail.close().await;
    assert!(told(path).concat().contains("No space left"));
    disk.free();
    let (trail, _) = disk.state.open();
    trail.probe().await.unwrap();
    assert_eq!(told(path), Vec::<String>::new());
    // The reserve by itself counts too.
    fs::remove_file(disk.state.file("reserve")).unwrap();
    disk.fill();
    assert!(trail.probe().await.is_err());
    assert!(told(path).concat().contains("No space left"));
}
