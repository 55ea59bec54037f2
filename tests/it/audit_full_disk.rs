//! A disk that is full: nothing half is written, and what has begun can be recorded to its end.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use deploy_agent::audit::*;

use crate::audit_support::*;

/// A filesystem of this size; needs root.
struct Small(Dir);

impl Small {
    fn mount(size: &str) -> Self {
        let dir = Dir::new();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0700"),
                "tmpfs",
            ])
            .arg(&dir.0)
            .output()
            .is_ok_and(|done| done.status.success());
        assert!(mounted, "mounting a small filesystem needs root");
        Self(dir)
    }

    fn state(&self) -> PathBuf {
        self.0.0.join("state")
    }

    /// Leaves no free byte.
    fn fill(&self) {
        let path = self.0.0.join("filler");
        let mut filler = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        for size in [65536, 4096, 1] {
            while filler.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.0.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0.0).status());
    }
}

#[tokio::test]
async fn an_operation_begun_before_the_disk_was_full_is_recorded_to_its_end() {
    let disk = Small::mount("2m");
    let (trail, _) = trail_open(options(&disk.state())).unwrap();
    trail.probe().await.unwrap();
    trail.append(started("a")).await.unwrap();
    disk.fill();
    for n in 0..60 {
        trail
            .append(step("a", "pull"))
            .await
            .unwrap_or_else(|e| panic!("{n}: {e}"));
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
    let (verdict, said) = verified(&disk.state(), None, false);
    assert_eq!(verdict, Verdict::Intact, "{said}");
}

#[tokio::test]
async fn a_record_that_does_not_fit_leaves_nothing_and_the_next_tries_again() {
    let disk = Small::mount("1m");
    let (trail, _) = trail_open(options(&disk.state())).unwrap();
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
    let file = disk.state().join("audit.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.ends_with('\n'));
    assert_eq!(text.lines().count() as u64, written);
    trail.rejected(Rejection::default());
    assert!(trail.probe().await.is_err());
    assert_eq!(trail.head(), head);
    disk.free();
    trail.probe().await.unwrap();
    assert_eq!(trail.append(long()).await.unwrap().seq, written + 1);
    trail.close().await;
    let last = fs::read_to_string(&file).unwrap();
    assert!(
        last.lines()
            .last()
            .unwrap()
            .contains("rejections_suppressed")
    );
    let (verdict, said) = verified(&disk.state(), Some(&trail.head()), false);
    assert_eq!(verdict, Verdict::Intact, "{said}");
}

#[tokio::test]
async fn a_disk_without_room_for_the_reserve_does_not_pass_the_probe() {
    let disk = Small::mount("64k");
    let (trail, _) = trail_open(options(&disk.state())).unwrap();
    trail.append(started("a")).await.unwrap();
    assert!(trail.probe().await.is_err());
}

#[tokio::test]
async fn a_rotation_that_finds_no_room_waits_in_the_old_file() {
    let disk = Small::mount("2m");
    let mut how = options(&disk.state());
    how.rotate_at = 8 * 1024;
    let (trail, _) = trail_open(how).unwrap();
    disk.fill();
    for _ in 0..40 {
        trail.append(started("a")).await.unwrap();
    }
    trail.close().await;
    let first = fs::read_to_string(disk.state().join("audit.jsonl")).unwrap();
    assert!(first.starts_with(r#"{"v":1,"seq":1,"#));
    let (verdict, said) = verified(&disk.state(), None, true);
    assert_eq!(verdict, Verdict::Intact, "{said}");
}
