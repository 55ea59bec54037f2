//! A disk that is full, and one that turned read-only. On a small tmpfs: these tests need root.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Desk, deploy, ended, open_in, started, step};
use deploy_agent::audit::ROTATE_AT;

struct Disk {
    _desk: Desk,
    at: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let desk = Desk::new();
        let at = desk.state.with_file_name("disk");
        fs::create_dir(&at).expect("made");
        mount(&["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs"], &at);
        Self { _desk: desk, at }
    }

    fn fill(&self) {
        // Down to the last byte: blocks first, then what is left of them.
        let ballast = self.at.join("ballast");
        let file = fs::File::create(&ballast).expect("made");
        let mut at = 0;
        for size in [65_536_u64, 4096, 1] {
            while std::os::unix::fs::FileExt::write_all_at(&file, &vec![1; size as usize], at)
                .is_ok()
            {
                at += size;
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nothing is lost with a lazy end of a mount that only this test knows.
        Command::new("umount")
            .arg("--lazy")
            .arg(&self.at)
            .status()
            .ok();
    }
}

fn mount(options: &[&str], at: &std::path::Path) {
    let mounted = Command::new("mount")
        .args(options)
        .arg(at)
        .status()
        .expect("mount runs");
    assert!(mounted.success(), "mounting needs root");
}

#[tokio::test]
async fn on_a_full_disk_nothing_begins_and_space_mends_it() {
    let disk = Disk::new();
    let (trail, _) = open_in(&disk.at, ROTATE_AT).expect("opens");
    disk.fill();
    // What was set aside before is used up by whole operations; then nothing begins any more.
    let mut whole = 0;
    let refused = loop {
        match trail.probe().await {
            Ok(()) => deploy(&trail, "op-1", "1.0.0").await,
            Err(error) => break error.to_string(),
        }
        whole += 1;
        assert!(whole < 1000, "the disk is full");
    };
    assert!(refused.contains("audit.jsonl"), "{refused}");
    fs::remove_file(disk.at.join("ballast")).expect("removed");
    trail.probe().await.expect("there is room again");
    deploy(&trail, "op-2", "1.0.0").await;
    trail.close().await;
    let text = fs::read_to_string(disk.at.join("audit.jsonl")).expect("read");
    let ended = text.matches("operation_ended").count();
    assert_eq!(ended, whole + 1, "each that began has its end");
    assert_eq!(
        super::verdict_of(&disk.at, None, false).0,
        deploy_agent::audit::Verdict::Intact
    );
}

#[tokio::test]
async fn an_operation_that_began_can_record_its_end_on_a_full_disk() {
    let disk = Disk::new();
    let (trail, _) = open_in(&disk.at, ROTATE_AT).expect("opens");
    trail
        .append(started("op-1", "1.0.0"))
        .await
        .expect("recorded");
    disk.fill();
    for _ in 0..100 {
        trail
            .append(step("op-1", "pull"))
            .await
            .expect("room was set aside");
    }
    trail
        .append(ended("op-1"))
        .await
        .expect("room was set aside");
    trail.close().await;
}

#[tokio::test]
async fn a_read_only_directory_is_refused_at_the_start_by_name() {
    let disk = Disk::new();
    open_in(&disk.at, ROTATE_AT).expect("opens").0.close().await;
    mount(&["-o", "remount,ro"], &disk.at);
    let refused = open_in(&disk.at, ROTATE_AT).map(drop).expect_err("refused");
    assert!(
        refused.to_string().contains("Read-only file system"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_file_that_was_replaced_is_not_written_blindly() {
    let disk = Disk::new();
    let (trail, _) = open_in(&disk.at, ROTATE_AT).expect("opens");
    let path = disk.at.join("audit.jsonl");
    fs::rename(&path, disk.at.join("moved")).expect("moved");
    fs::write(&path, "").expect("written");
    let refused = trail.probe().await.expect_err("refused").to_string();
    assert!(refused.contains("audit.jsonl"), "{refused}");
}
