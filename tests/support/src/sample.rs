//! The sample runtime, compiled once: a static program needs no base image.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCE: &str = include_str!("../sample/runtime.rs");

/// The bytes of the static program.
///
/// # Panics
/// `rustc` cannot compile it.
pub fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| std::fs::read(compiled()).expect("the program was just compiled"))
}

/// Compiled under a name that holds the source's hash; other processes may be at it too.
fn compiled() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/sample");
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    let hash = crate::images::digest(SOURCE.as_bytes());
    let program = directory.join(format!("runtime-{}", &hash[7..19]));
    if program.exists() {
        return program;
    }
    let own = directory.join(format!("scratch-{}", std::process::id()));
    std::fs::create_dir_all(&own).expect("a scratch directory");
    let source = own.join("runtime.rs");
    std::fs::write(&source, SOURCE).expect("written");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiled = Command::new(rustc)
        .args([
            "--edition",
            "2024",
            "-O",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "strip=symbols",
            "-o",
        ])
        .arg(own.join("runtime"))
        .arg(&source)
        .output()
        .expect("rustc runs");
    let said = String::from_utf8_lossy(&compiled.stderr);
    assert!(
        compiled.status.success(),
        "the sample runtime does not compile: {said}"
    );
    std::fs::rename(own.join("runtime"), &program).expect("renamed");
    // Only what this process made; a leftover would be harmless.
    std::fs::remove_dir_all(&own).ok();
    program
}
