//! `deploy-agent verify`: checks the audit trail's chain.

use std::io;
use std::path::PathBuf;

use clap::Args;

use super::output;
use crate::audit::{Anchor, Verdict, VerifyOptions};
use crate::exit::Exit;

/// What `verify` checks.
#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// State directory, a copy of one, or one file of an audit trail
    #[arg(value_name = "STATE_DIRECTORY")]
    path: PathBuf,
    /// A record that must be in it, as the agent's log has it after `audit head`
    #[arg(long, value_name = "SEQ:HASH")]
    expect: Option<Anchor>,
    /// The oldest files have been taken away
    #[arg(long)]
    partial: bool,
}

/// Checks the chain.
pub(super) fn run(arguments: VerifyArguments) -> Exit {
    let VerifyArguments {
        path,
        expect,
        partial,
    } = arguments;
    let options = VerifyOptions {
        path,
        expect,
        partial,
    };
    let verdict = crate::audit::verify(&options, &mut io::stdout().lock());
    output::exit(verdict.map(|verdict| match verdict {
        Verdict::Intact => Exit::Ok,
        Verdict::Broken => Exit::Failed,
    }))
}
