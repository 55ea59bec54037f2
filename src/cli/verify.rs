//! `deploy-agent verify`: checks the audit trail's chain.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use super::environment_files::trail_path;
use super::output;
use super::output::complain;
use crate::audit::{Anchor, NotedAnchor, Verdict, VerifyOptions, anchors_in};
use crate::exit::Exit;

/// What `verify` checks.
#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// dev or prod, a state directory, a copy of one, or one file of an audit trail
    #[arg(value_name = "ENVIRONMENT|PATH")]
    path: PathBuf,
    /// A record that must be in it, as the agent's log has it after `audit head`
    #[arg(long, value_name = "SEQ:HASH")]
    expect: Option<Anchor>,
    /// Records that must be in it: every SEQ:HASH in this file, such as the log of a pipeline; `-` is standard input
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// The oldest files have been taken away
    #[arg(long)]
    partial: bool,
}

/// Checks the chain.
pub(super) fn run(arguments: VerifyArguments) -> Exit {
    let VerifyArguments {
        path,
        expect,
        anchors,
        partial,
    } = arguments;
    let anchors = match anchors.as_deref().map(read_anchors).transpose() {
        Ok(anchors) => anchors.unwrap_or_default(),
        Err(problem) => {
            complain!("{problem}");
            return Exit::Failed;
        }
    };
    let options = VerifyOptions {
        path: trail_path(&path),
        expect,
        anchors,
        partial,
    };
    let verdict = crate::audit::verify(&options, &mut io::stdout().lock());
    output::exit(verdict.map(|verdict| match verdict {
        Verdict::Intact => Exit::Ok,
        Verdict::Broken => Exit::Failed,
    }))
}

/// The anchors in a file; one without any proves nothing, and says so.
fn read_anchors(path: &Path) -> Result<Vec<NotedAnchor>, String> {
    let named = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => io::stdin().lock().read_to_end(&mut bytes),
        false => File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.map_err(|error| named(&error))?;
    let anchors = anchors_in(&String::from_utf8_lossy(&bytes));
    match anchors.is_empty() {
        true => Err(named(&"there is no anchor in it, SEQ:HASH")),
        false => Ok(anchors),
    }
}
