//! What the Debian package holds that is not written by hand: manual pages and completions out of the command line's own
//! definition, the licence texts of everything that is linked into the program, and its software bill of materials.
//!
//! `cargo run --example package -- DIRECTORY` writes them there; `deploy/package/build` does it on the way. The same
//! checkout gives the same bytes.

mod commands;
mod licences;
mod sbom;

use std::io;
use std::path::{Path, PathBuf};

use dreichor_test_support::crates::{self, Crate};

fn main() -> io::Result<()> {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("package DIRECTORY: where to?"));
    };
    let linked = linked();
    commands::write(&directory)?;
    std::fs::write(
        directory.join("third-party-licences.txt"),
        licences::text(&linked)?,
    )?;
    std::fs::write(directory.join("sbom.cdx.json"), sbom::text(&linked))
}

/// What is linked into the program; what only builds or tests it is not handed on with it.
fn linked() -> Vec<Crate> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    crates::tree(
        root,
        &[
            "--package",
            env!("CARGO_PKG_NAME"),
            "--edges",
            "normal,no-proc-macro",
        ],
    )
}
