//! `deploy-agent pull`: fetches an image ahead of a deploy.

use clap::Args;

use super::running_agent::RunningAgent;
use crate::exit::Exit;
use crate::local::Command;

/// What `pull` fetches.
#[derive(Debug, Args)]
pub(super) struct PullArguments {
    #[command(flatten)]
    agent: RunningAgent,
    /// The tag, or the whole reference
    #[arg(value_name = "TAG")]
    image: String,
}

/// Waits to the end and shows progress; an interrupt ends the pull.
pub(super) fn run(arguments: &PullArguments) -> Exit {
    arguments.agent.carry_out(&Command::Pull {
        image: arguments.image.clone(),
    })
}
