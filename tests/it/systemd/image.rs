//! The image that hosts boot from: a release, bootstrapped once and kept as an archive (`tests/bootstrap`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use super::release::Release;
use crate::harness::unique;

/// An image on the engine at hand; removed with the last host that was booted from it.
pub struct Image(pub String);

impl Image {
    /// The one that other hosts are using, or a fresh import.
    pub fn get(release: &Release) -> Arc<Self> {
        static CURRENT: Mutex<Weak<Image>> = Mutex::new(Weak::new());
        let mut current = CURRENT
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(image) = current.upgrade() {
            return image;
        }
        let image = Arc::new(Self(format!("dreichor-host-test:{}", unique())));
        let archive = File::open(archive(&release.suite)).expect("the archive was just made");
        let mut import = Command::new("docker");
        import.args(["import", "-", &image.0]).stdin(archive);
        succeed("docker import", &mut import);
        *current = Arc::downgrade(&image);
        image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let mut remove = Command::new("docker");
        // The engine at hand outlives this test; a failure here is seen by whoever looks for leftovers.
        remove.args(["rmi", "--force", &self.0]).output().ok();
    }
}

/// Runs a command that must succeed, and gives what it said on standard output.
pub fn succeed(what: &str, command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{what}: {error}; ./tests/run installs what is missing"));
    assert!(
        output.status.success(),
        "{what}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The archive of a release, bootstrapped if there is none.
fn archive(suite: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut bootstrap = Command::new(root.join("tests/bootstrap"));
    let said = succeed("tests/bootstrap", bootstrap.arg(suite));
    root.join(said.trim())
}
