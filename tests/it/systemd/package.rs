//! The real package: made by cargo-deb from the metadata in `Cargo.toml`, around the program that the tests run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::image::succeed;

/// What is installed first, and what it is upgraded to.
pub const VERSION: &str = "0.2.0-1";
pub const NEXT_VERSION: &str = "0.2.0-2";

/// Any time will do, as long as it is the same for each package.
const EPOCH: &str = "1764000000";

/// The `.deb` of a version, made once.
pub fn package(version: &str) -> PathBuf {
    static FIRST: OnceLock<PathBuf> = OnceLock::new();
    static NEXT: OnceLock<PathBuf> = OnceLock::new();
    let cell = if version == VERSION { &FIRST } else { &NEXT };
    cell.get_or_init(|| made(version)).clone()
}

/// Manual pages, completions, licences and the bill of materials, written once.
pub fn generated() -> PathBuf {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    let write = || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let directory = root.join("target/package");
        let mut make = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        make.args([
            "run",
            "--quiet",
            "--locked",
            "--offline",
            "--example",
            "package",
            "--",
        ])
        .arg(&directory)
        .current_dir(root);
        succeed("the package's generated files", &mut make);
        directory
    };
    WRITTEN.get_or_init(write).clone()
}

fn made(version: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/packages");
    std::fs::create_dir_all(&directory).expect("made");
    let package = directory.join(format!("{version}.deb"));
    packed(version, &package);
    package
}

/// Packs a version into a file.
pub fn packed(version: &str, package: &Path) {
    // One at a time: cargo-deb prepares its files in a directory that all of its runs share.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tool = root.join("target/tools/bin/cargo-deb");
    assert!(
        tool.exists(),
        "there is no cargo-deb: ./tests/run builds it"
    );
    generated();
    // The program as the tests have built it: what is tried here is the package, not the optimiser.
    let mut make = Command::new(tool);
    make.args([
        "--no-build",
        "--fast",
        "--strip",
        "--profile",
        "dev",
        "--deb-version",
        version,
    ])
    .arg("--output")
    .arg(package)
    .env("SOURCE_DATE_EPOCH", EPOCH)
    .current_dir(root);
    succeed("cargo-deb", &mut make);
}
