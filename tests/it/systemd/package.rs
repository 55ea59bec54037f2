//! The real package: made by cargo-deb from the metadata in `Cargo.toml`, around the program that the tests run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::image::succeed;

/// What is installed first, and what it is upgraded to.
pub const VERSION: &str = "0.2.0-1";
pub const NEXT_VERSION: &str = "0.2.0-2";

/// The `.deb` of a version, made once.
pub fn package(version: &str) -> PathBuf {
    static FIRST: OnceLock<PathBuf> = OnceLock::new();
    static NEXT: OnceLock<PathBuf> = OnceLock::new();
    let cell = if version == VERSION { &FIRST } else { &NEXT };
    cell.get_or_init(|| made(version)).clone()
}

fn made(version: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tool = root.join("target/tools/bin/cargo-deb");
    assert!(
        tool.exists(),
        "there is no cargo-deb: ./tests/run builds it"
    );
    let package = root.join(format!("target/host-image/{version}.deb"));
    std::fs::create_dir_all(package.parent().expect("a directory")).expect("made");
    // The program as the tests have built it: what is tried here is the package, not the optimiser.
    let mut make = Command::new(tool);
    make.args([
        "--no-build",
        "--fast",
        "--profile",
        "dev",
        "--deb-version",
        version,
    ])
    .arg("--output")
    .arg(&package)
    .current_dir(root);
    succeed("cargo-deb", &mut make);
    package
}
