//! A state directory whose disk is full: nothing starts that cannot be audited, and status goes on. On a small tmpfs,
//! so these tests need root.

use std::process::Command;

use crate::harness::World;

on_both_engines!(on_a_full_disk_nothing_is_started_and_status_goes_on);

/// A disk of two megabytes, gone with its value.
struct Disk(std::path::PathBuf);

impl Disk {
    fn new(at: std::path::PathBuf) -> Self {
        std::fs::create_dir(&at).expect("made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs"])
            .arg(&at)
            .status();
        assert!(
            mounted.expect("mount runs").success(),
            "mounting needs root"
        );
        Self(at)
    }

    fn fill(&self) {
        let file = std::fs::File::create(self.0.join("ballast")).expect("made");
        let mut at = 0;
        for size in [65_536_usize, 4096, 1] {
            while std::os::unix::fs::FileExt::write_all_at(&file, &vec![1; size], at).is_ok() {
                at += size as u64;
            }
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("ballast")).expect("removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nothing is lost with a lazy end of a mount that only this test knows.
        Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status()
            .ok();
    }
}

fn on_a_full_disk_nothing_is_started_and_status_goes_on(mut world: World) {
    let disk = Disk::new(world.path("disk"));
    let state = disk.0.join("state");
    world.set("STATE_DIRECTORY", &state.display().to_string());
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    disk.fill();
    // What was set aside for operations that had begun is used up by whole ones; then nothing begins any more.
    let mut refused = agent.deploy(&world.image("9.9.9"));
    for _ in 0..500 {
        if refused.status == 500 {
            break;
        }
        assert_eq!(refused.status, 502, "{}", refused.body);
        refused = agent.deploy(&world.image("9.9.9"));
    }
    assert!(
        refused
            .reason()
            .contains("nothing was started: the audit trail"),
        "{}",
        refused.body
    );
    super::read_only::assert_nothing_can_be_started(&world, &agent);
    disk.empty();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(
        answer.status, 200,
        "space mends it, without a restart: {}",
        answer.body
    );
    let (verdict, said) = crate::audit::verdict_of(&state, None, false);
    assert_eq!(verdict, deploy_agent::audit::Verdict::Intact, "{said}");
}
