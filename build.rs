//! Tells the program which commit it was built from: `0.1.0+<commit>`, or `0.1.0` alone where there is no git checkout
//! (an archive, a vendored copy). Nothing else of the machine or the time goes in: the same commit builds the same.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Digits of the commit: enough for any repository, short enough for a label.
const DIGITS: &str = "--short=12";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let package = env!("CARGO_PKG_VERSION");
    let version = match commit() {
        Some(commit) => format!("{package}+{commit}"),
        None => package.to_owned(),
    };
    println!("cargo::rustc-env=DEPLOY_AGENT_VERSION={version}");
}

/// The commit of this very checkout, and a build anew whenever it moves.
fn commit() -> Option<String> {
    // An archive that was unpacked inside another repository is not that repository's commit.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok()?;
    if Path::new(&top).canonicalize().ok()? != own {
        return None;
    }
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let files = ["HEAD", "logs/HEAD", "packed-refs"].into_iter();
    for file in files.chain(branch.as_deref()) {
        // One that is not there would have cargo build anew every time.
        if let Some(path) = git(&["rev-parse", "--git-path", file]).map(PathBuf::from)
            && path.exists()
        {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    git(&["rev-parse", DIGITS, "HEAD"]).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
