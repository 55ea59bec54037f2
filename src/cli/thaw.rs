//! `deploy-agent thaw`: ends a freeze.

use super::running_agent::RunningAgent;
use crate::exit::Exit;
use crate::local::Command;

/// Takes deploys again.
pub(super) fn run(agent: &RunningAgent) -> Exit {
    agent.carry_out(&Command::Thaw {})
}
