//! A disk that a test can fill, and turn read-only.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::fixture::TrailDir;

/// A tmpfs of a size, lazily unmounted with its value. Needs root.
pub struct SmallDisk {
    pub state: TrailDir,
    mounted: TrailDir,
}

impl SmallDisk {
    /// `size` as `mount` takes it: `2m`.
    pub fn new(size: &str) -> Self {
        let mounted = TrailDir::new();
        let options = format!("size={size},mode=0700");
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], mounted.path());
        let state = TrailDir::at(mounted.file("state"));
        Self { state, mounted }
    }

    /// Where it is.
    pub fn mounted(&self) -> &Path {
        self.mounted.path()
    }

    /// Leaves no free byte: blocks first, then what is left of them.
    pub fn fill(&self) {
        let mut filler = fs::File::create(self.mounted.file("filler")).unwrap();
        for size in [65_536, 4096, 1] {
            while filler.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    pub fn free(&self) {
        fs::remove_file(self.mounted.file("filler")).unwrap();
    }

    pub fn turn_read_only(&self) {
        mount(&["-o", "remount,ro"], self.mounted.path());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Nothing is lost with a lazy end of a mount that only this test knows.
        Command::new("umount")
            .arg("--lazy")
            .arg(self.mounted.path())
            .status()
            .ok();
    }
}

fn mount(options: &[&str], at: &Path) {
    let mounted = Command::new("mount").args(options).arg(at).output();
    assert!(
        mounted.is_ok_and(|done| done.status.success()),
        "mounting a small disk needs root"
    );
}
