//! The command line: serve, check, history, verify, hash-secret.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::audit::{Anchor, Verdict, VerifyOptions};
use crate::history::{HistoryOptions, Since};
use crate::serve::Ending;
use crate::settings::{Settings, SettingsError};

/// The deploy agent of Dreichor: the only component that starts, stops or replaces the runtime container.
#[derive(Debug, Parser)]
#[command(name = "deploy-agent", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API on 127.0.0.1 until SIGTERM or SIGINT
    Serve(SettingsSource),
    /// Check settings, runtime.env, binds, engine and registry credentials; name every problem
    Check(CheckArguments),
    /// Show what ran when, who asked, and what failed
    History(HistoryArguments),
    /// Check the audit trail's chain
    Verify(VerifyArguments),
    /// Remove images that were deployed before and that no container uses; the agent must be stopped meanwhile
    Prune(PruneArguments),
    /// Read a service token's secret from standard input and print its SHA-256 for the settings
    HashSecret,
}

/// Where the settings come from.
#[derive(Debug, Args)]
pub struct SettingsSource {
    /// Read the settings from this file alone, in the format of systemd's EnvironmentFile=
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
}

impl SettingsSource {
    /// Reads the settings.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        match &self.env_file {
            Some(path) => Settings::from_file(path),
            None => Settings::from_process(),
        }
    }
}

/// What `check` looks at.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Where the settings come from.
    #[command(flatten)]
    pub source: SettingsSource,
    /// Only print this variable of the settings file as systemd reads it, nothing if it is not set
    #[arg(long, value_name = "NAME")]
    pub variable: Option<String>,
}

/// Prints the hash of the secret on standard input.
#[must_use]
pub fn hash_secret() -> Ending {
    match crate::access::hash_secret::hash_secret(&mut io::stdin().lock()) {
        Ok(hash) => {
            println!("{hash}");
            Ending::Good
        }
        Err(error) => {
            eprintln!("{error}");
            Ending::Failed
        }
    }
}

/// What `history` shows.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// State directory, a copy of one, or one file of an audit trail
    #[arg(value_name = "STATE_DIRECTORY")]
    pub path: PathBuf,
    /// One JSON object an operation and line, for tools
    #[arg(long)]
    pub json: bool,
    /// Only operations from this time (RFC 3339) or age (90m, 2h, 3d) on
    #[arg(long, value_name = "TIME")]
    pub since: Option<Since>,
    /// Only operations that did not succeed
    #[arg(long)]
    pub failed: bool,
    /// Also requests that were turned away
    #[arg(long)]
    pub rejected: bool,
    /// Go on showing operations as they end
    #[arg(long)]
    pub follow: bool,
    /// At most the newest so many operations
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// What `prune` removes.
#[derive(Debug, Args)]
pub struct PruneArguments {
    /// Where the settings come from.
    #[command(flatten)]
    pub source: SettingsSource,
    /// How many of the images that ran last are kept, besides those in use
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub keep: usize,
    /// Remove them; without it they are only listed
    #[arg(long)]
    pub yes: bool,
}

/// What `verify` checks.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// State directory, a copy of one, or one file of an audit trail
    #[arg(value_name = "STATE_DIRECTORY")]
    pub path: PathBuf,
    /// A record that must be in it, as the agent's log has it after `audit head`
    #[arg(long, value_name = "SEQ:HASH")]
    pub expect: Option<Anchor>,
    /// The oldest files have been taken away
    #[arg(long)]
    pub partial: bool,
}

/// Shows what ran when.
#[must_use]
pub fn history(arguments: HistoryArguments) -> Ending {
    let HistoryArguments {
        path,
        json,
        since,
        failed,
        rejected,
        follow,
        limit,
    } = arguments;
    let terminal = io::stdout().is_terminal();
    let width = terminal
        .then(|| rustix::termios::tcgetwinsize(io::stdout()).ok())
        .flatten();
    let options = HistoryOptions {
        path,
        json,
        since,
        failed,
        rejected,
        follow,
        limit,
        width: width
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0),
        colour: terminal && std::env::var_os("NO_COLOR").is_none(),
    };
    ended(crate::history::history(&options, &mut io::stdout().lock()).map(|()| Ending::Good))
}

/// Checks the chain.
#[must_use]
pub fn verify(arguments: VerifyArguments) -> Ending {
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
    ended(verdict.map(|verdict| match verdict {
        Verdict::Intact => Ending::Good,
        Verdict::Broken => Ending::Failed,
    }))
}

/// A reader that has seen enough (`| head`) is no failure.
fn ended(result: io::Result<Ending>) -> Ending {
    match result {
        Ok(ending) => ending,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ending::Good,
        Err(error) => {
            eprintln!("{error}");
            Ending::Failed
        }
    }
}
