//! The command line: serve, check, history, verify, hash-secret.

use std::io;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    Check(SettingsSource),
    /// Show what ran when, who asked, and what failed
    History(HistoryArguments),
    /// Check the audit trail's chain
    Verify(VerifyArguments),
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
