//! A state directory that turns read-only: nothing starts that cannot be recorded, and status goes on. On a small ext4
//! in a file, which fails as a real disk does; so these tests need root and a loop device.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use deploy_agent::audit::Verdict;
use dreichor_test_support::images::ImageSpec;
use dreichor_test_support::registry::{Fault, What};
use serde_json::json;

use crate::harness::{Agent, World, until};

on_both_engines!(
    after_an_error_of_the_disk_nothing_is_started_and_status_goes_on,
    a_disk_that_fails_during_a_pull_leaves_the_old_container,
    a_trail_that_may_not_be_changed_is_found_again_without_a_restart,
    an_agent_does_not_start_on_a_read_only_directory,
);

fn run(program: &str, arguments: &[&str]) -> bool {
    let done = Command::new(program).args(arguments).output();
    let done = done.unwrap_or_else(|error| panic!("{program}: {error}; ./tests/run installs it"));
    done.status.success()
}

/// An ext4 of sixteen megabytes in a file, gone with its value.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    /// Mounts it below the world's directory, and puts the state there.
    fn under(world: &mut World) -> Self {
        let disk = Self {
            image: world.path("disk.img"),
            at: world.path("disk"),
        };
        std::fs::create_dir(&disk.at).expect("made");
        let file = std::fs::File::create(&disk.image).expect("made");
        file.set_len(16 * 1024 * 1024).expect("sized");
        assert!(run("mkfs.ext4", &["-q", "-F", &disk.image()]), "made");
        disk.mount("loop,errors=remount-ro");
        world.set("STATE_DIRECTORY", &disk.state().display().to_string());
        world.set("START_CONFIRMATION_SECONDS", "0");
        disk
    }

    fn image(&self) -> String {
        self.image.display().to_string()
    }

    fn at(&self) -> String {
        self.at.display().to_string()
    }

    fn state(&self) -> PathBuf {
        self.at.join("state")
    }

    fn mount(&self, options: &str) {
        let mounted = run("mount", &["-o", options, &self.image(), &self.at()]);
        assert!(mounted, "mounting needs root and a loop device");
    }

    fn remount(&self, options: &str) {
        assert!(
            run("mount", &["-o", &format!("remount,{options}"), &self.at()]),
            "nobody writes to it"
        );
    }

    /// Lets the filesystem meet an error, upon which it takes no more writes.
    fn fail(&self) {
        let mounts = std::fs::read_to_string("/proc/mounts").expect("readable");
        let here = mounts
            .lines()
            .find(|line| line.split(' ').nth(1) == Some(&self.at()));
        let device = here.and_then(|line| line.strip_prefix("/dev/")?.split(' ').next());
        let device = device.expect("it is mounted from a loop device");
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        std::fs::write(trigger, "a test").expect("it fails on demand");
        until("it takes no more writes", Duration::from_secs(30), || {
            std::fs::write(self.at.join("probe"), "x").is_err()
        });
    }

    /// What an operator does. On a copy: where another namespace still holds the broken mount, the same file would be
    /// mounted as broken again.
    fn mend(&mut self) {
        assert!(run("umount", &[&self.at()]), "nobody uses it any more");
        let copy = self.image.with_extension("mended");
        std::fs::copy(&self.image, &copy).expect("copied");
        self.image = copy;
        // 1: errors were found and corrected.
        let checked = Command::new("e2fsck")
            .args(["-f", "-y"])
            .arg(&self.image)
            .output();
        let code = checked.expect("e2fsck runs").status.code();
        assert!(matches!(code, Some(0 | 1)), "{code:?}");
        self.mount("loop,errors=remount-ro");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["--lazy", &self.at()]);
    }
}

/// A deploy of 2.0.0 and a stop are refused while 1.0.0 runs on and is shown.
pub fn assert_nothing_can_be_started(world: &World, agent: &Agent) {
    let id = world.id();
    for answer in [agent.deploy(&world.image("2.0.0")), agent.stop()] {
        assert_eq!(answer.status, 500, "{}", answer.body);
        let reason = answer.reason();
        assert!(
            reason.contains("nothing was started: the audit trail"),
            "{reason}"
        );
    }
    assert_eq!(world.id(), id);
    assert_eq!(world.shown()["State"]["Running"], true);
    let status = agent.status();
    assert_eq!(
        (&status["running"], &status["image"]),
        (&json!(true), &json!(world.image("1.0.0")))
    );
}

fn assert_intact(disk: &Disk) {
    let (verdict, said) = crate::trail::fixture::verdict_of(&disk.state(), None, false);
    assert_eq!(verdict, Verdict::Intact, "{said}");
}

fn end(mut agent: Agent) {
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0), "{}", agent.log());
}

fn after_an_error_of_the_disk_nothing_is_started_and_status_goes_on(mut world: World) {
    let mut disk = Disk::under(&mut world);
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    disk.fail();
    assert_nothing_can_be_started(&world, &agent);
    let reason = agent.stop().reason();
    assert!(reason.contains("Read-only file system"), "{reason}");
    // It does not go away by itself.
    assert_nothing_can_be_started(&world, &agent);
    end(agent);
    disk.mend();
    let agent = world.agent();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    end(agent);
    assert_intact(&disk);
}

fn a_disk_that_fails_during_a_pull_leaves_the_old_container(mut world: World) {
    let mut disk = Disk::under(&mut world);
    world.push("1.0.0", &["run"]);
    world.push_spec("2.0.0", ImageSpec::mode(&["run"]).extra_bytes(200_000));
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let id = world.id();
    let image = world.image("2.0.0");
    world.registry.fault(What::Blob, Fault::Drip(8 * 1024));
    let answer = std::thread::scope(|scope| {
        let deploy = scope.spawn(|| agent.deploy(&image));
        until("the pull is under way", Duration::from_secs(10), || {
            let trail = std::fs::read_to_string(disk.state().join("audit.jsonl"));
            trail.expect("readable").matches(r#""step":"pull""#).count() > 2
        });
        disk.fail();
        deploy.join().expect("answered")
    });
    world.registry.heal();
    assert_eq!(answer.status, 500, "{}", answer.body);
    let reason = answer.reason();
    assert!(
        reason.contains("the audit trail") && reason.contains("is running"),
        "{reason}"
    );
    assert_eq!(world.id(), id);
    assert_nothing_can_be_started(&world, &agent);
    end(agent);
    disk.mend();
    // What it could not say then, it says now.
    let agent = world.agent();
    until("it is closed", Duration::from_secs(10), || {
        let text = std::fs::read_to_string(disk.state().join("audit.jsonl"));
        text.expect("readable").contains("operation_interrupted")
    });
    let answer = agent.deploy(&image);
    assert_eq!(answer.status, 200, "{}", answer.body);
    end(agent);
    assert_intact(&disk);
}

fn a_trail_that_may_not_be_changed_is_found_again_without_a_restart(mut world: World) {
    let disk = Disk::under(&mut world);
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let trail = disk.state().join("audit.jsonl").display().to_string();
    assert!(run("chattr", &["+i", &trail]));
    assert_nothing_can_be_started(&world, &agent);
    assert!(run("chattr", &["-i", &trail]));
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    end(agent);
    assert_intact(&disk);
}

fn an_agent_does_not_start_on_a_read_only_directory(mut world: World) {
    let disk = Disk::under(&mut world);
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let id = world.id();
    end(agent);
    disk.remount("ro");
    let log = world.path("agent.log");
    let mut agent = Agent::launch(&world.env_file(), world.port, &log, &[]);
    assert_eq!(agent.wait().code(), Some(1), "{}", agent.log());
    let said = agent.log();
    let last = said.lines().last().expect("it says why");
    assert!(
        last.contains("Read-only file system") && last.contains("disk/state"),
        "{last}"
    );
    assert_eq!(world.id(), id);
    disk.remount("rw");
    let agent = world.agent();
    assert_eq!(agent.stop().status, 200);
    end(agent);
    assert_intact(&disk);
}
