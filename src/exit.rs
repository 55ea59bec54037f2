//! How a command ended, and the exit code of each way.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As it should: 0.
    Ok,
    /// A problem was found, or the agent could not do its work: 1.
    Failed,
    /// No agent runs that could be asked: 69, `EX_UNAVAILABLE`.
    NotRunning,
    /// A part of the agent died: 70, `EX_SOFTWARE` of sysexits(3); systemd restarts it.
    Broken,
    /// Another agent of this environment runs: 75, `EX_TEMPFAIL`.
    Locked,
    /// The settings are wrong: 78, `EX_CONFIG`; systemd does not restart it.
    Settings,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::NotRunning => 69,
            Exit::Broken => 70,
            Exit::Locked => 75,
            Exit::Settings => 78,
        })
    }
}
