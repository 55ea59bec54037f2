//! Where a command reads the settings from.

use std::path::PathBuf;

use clap::Args;

use super::output::complain;
use crate::exit::Exit;
use crate::settings::{Settings, SettingsError};

/// Where the settings come from.
#[derive(Debug, Args)]
pub(super) struct SettingsSource {
    /// Read the settings from this file alone, in the format of systemd's EnvironmentFile=
    #[arg(long, value_name = "FILE")]
    pub(super) env_file: Option<PathBuf>,
}

impl SettingsSource {
    /// Reads the settings for a command that a person runs: every problem is told on standard error.
    pub(super) fn settings_or_exit(&self) -> Result<Settings, Exit> {
        self.settings().map_err(|error| {
            for problem in &error.0 {
                complain!("problem: {problem}");
            }
            Exit::Settings
        })
    }

    /// Reads the settings; the error has every problem at once.
    pub(super) fn settings(&self) -> Result<Settings, SettingsError> {
        match &self.env_file {
            Some(path) => Settings::from_file(path),
            None => Settings::from_process(),
        }
    }
}
