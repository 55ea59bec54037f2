//! `deploy-agent freeze`: refuses deploys until a time.

use clap::Args;

use super::running_agent::RunningAgent;
use crate::exit::Exit;
use crate::local::Command;

/// Why, and until when.
#[derive(Debug, Args)]
pub(super) struct FreezeArguments {
    #[command(flatten)]
    agent: RunningAgent,
    /// Why, in one line; every deploy that is refused is answered with it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Its end: a time (RFC 3339) or a span from now on (90m, 2h, 3d), 30 days at most
    #[arg(long, value_name = "TIME")]
    until: String,
}

/// Returns when the freeze holds.
pub(super) fn run(arguments: &FreezeArguments) -> Exit {
    arguments.agent.carry_out(&Command::Freeze {
        reason: arguments.reason.clone(),
        until: arguments.until.clone(),
    })
}
