//! The command line: one file a command, each with its arguments and its `run`.

// They end the process when nobody reads any more; `output` has what does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod acknowledge;
mod apart;
mod check;
mod container_lock;
mod environment_files;
mod findings;
mod freeze;
mod guarded_files;
mod hash_secret;
mod history;
mod notes;
mod output;
mod process_limits;
mod prune;
mod pull;
mod running_agent;
mod serve;
mod signals;
mod socket_unit;
mod sockets;
mod source;
mod status;
mod systemd_version;
mod thaw;
mod trail_start;
mod verify;

use clap::{Parser, Subcommand};

use crate::exit::Exit;
use acknowledge::AcknowledgeArguments;
use check::CheckArguments;
use freeze::FreezeArguments;
use history::HistoryArguments;
use prune::PruneArguments;
use pull::PullArguments;
use running_agent::RunningAgent;
use source::SettingsSource;
use status::StatusArguments;
use verify::VerifyArguments;

/// The deploy agent of Dreichor: the only component that starts, stops or replaces the runtime container.
#[derive(Debug, Parser)]
#[command(name = "deploy-agent", version = crate::VERSION)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API on 127.0.0.1 until SIGTERM or SIGINT
    Serve(SettingsSource),
    /// Check settings, runtime.env, binds, engine and registry credentials; name every problem
    Check(CheckArguments),
    /// Show what ran when, who asked, and what failed
    History(HistoryArguments),
    /// Check the audit trail's chain
    Verify(VerifyArguments),
    /// Let deploys go on although the ledger of tags may not know every tag; recorded with the reason and the user
    Acknowledge(AcknowledgeArguments),
    /// Tell what runs, since when, and how the last operation ended
    Status(StatusArguments),
    /// Fetch an image ahead of a deploy, by the deploy's own rules; the runtime is not touched
    Pull(PullArguments),
    /// List the images that are not needed: they ran before, or lost their tag, and no container uses them
    Prune(PruneArguments),
    /// Refuse deploys until a time; stops are never refused
    Freeze(FreezeArguments),
    /// End a freeze
    Thaw(RunningAgent),
    /// Read a service token's secret from standard input and print its SHA-256 for the settings
    HashSecret,
}

impl Cli {
    /// Runs the command to its end. Blocks.
    #[must_use]
    pub fn run(self) -> Exit {
        match self.command {
            Command::Serve(source) => serve::run(&source),
            Command::Check(arguments) => check::run(&arguments),
            Command::History(arguments) => history::run(arguments),
            Command::Verify(arguments) => verify::run(arguments),
            Command::Acknowledge(arguments) => acknowledge::run(&arguments),
            Command::Status(arguments) => status::run(&arguments),
            Command::Pull(arguments) => pull::run(&arguments),
            Command::Prune(arguments) => prune::run(&arguments),
            Command::Freeze(arguments) => freeze::run(&arguments),
            Command::Thaw(agent) => thaw::run(&agent),
            Command::HashSecret => hash_secret::run(),
        }
    }
}
