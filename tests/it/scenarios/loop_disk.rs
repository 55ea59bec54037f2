//! A small ext4 in a file, which fills, fails, falls silent and turns read-only as a real disk does. Needs root and a loop
//! device.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use deploy_agent::audit::Verdict;

use crate::harness::{World, until};

pub fn run(program: &str, arguments: &[&str]) -> bool {
    let done = Command::new(program).args(arguments).output();
    let done = done.unwrap_or_else(|error| panic!("{program}: {error}; ./tests/run installs it"));
    done.status.success()
}

/// An ext4 of sixteen megabytes in a file, gone with its value.
pub struct Disk {
    image: PathBuf,
    pub at: PathBuf,
}

impl Disk {
    /// Mounts it below the world's directory, and puts the state there.
    pub fn under(world: &mut World) -> Self {
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

    /// Puts the runtime's first bind there too.
    pub fn bind(&self, world: &mut World) -> PathBuf {
        let bind = self.at.join("audit-events");
        std::fs::create_dir(&bind).expect("made");
        world.set("AUDIT_EVENTS_PATH", &bind.display().to_string());
        bind
    }

    /// Whether no block is to be had.
    pub fn is_full(&self) -> bool {
        let probe = self.at.join("probe");
        let written = std::fs::write(&probe, [b'x'; 8192]);
        std::fs::remove_file(&probe).ok();
        written.is_err()
    }

    pub fn trail(&self) -> String {
        std::fs::read_to_string(self.state().join("audit.jsonl")).expect("readable")
    }

    /// Lets the filesystem answer no writer, until it thaws.
    pub fn freeze(&self) {
        assert!(run("fsfreeze", &["--freeze", &self.at()]), "frozen");
    }

    pub fn thaw(&self) {
        assert!(run("fsfreeze", &["--unfreeze", &self.at()]), "thawed");
    }

    pub fn assert_intact(&self) {
        let (verdict, said) = crate::trail::fixture::verdict_of(&self.state(), None, false);
        assert_eq!(verdict, Verdict::Intact, "{said}");
    }

    fn image(&self) -> String {
        self.image.display().to_string()
    }

    fn at(&self) -> String {
        self.at.display().to_string()
    }

    pub fn state(&self) -> PathBuf {
        self.at.join("state")
    }

    fn mount(&self, options: &str) {
        let mounted = run("mount", &["-o", options, &self.image(), &self.at()]);
        assert!(mounted, "mounting needs root and a loop device");
    }

    pub fn remount(&self, options: &str) {
        assert!(
            run("mount", &["-o", &format!("remount,{options}"), &self.at()]),
            "nobody writes to it"
        );
    }

    /// Lets the filesystem meet an error, upon which it takes no more writes.
    pub fn fail(&self) {
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
    pub fn mend(&mut self) {
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
        // Whatever a test that failed has left frozen.
        Command::new("fsfreeze")
            .args(["--unfreeze", &self.at()])
            .output()
            .ok();
        run("umount", &["--lazy", &self.at()]);
    }
}
