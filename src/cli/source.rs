//! Where a command reads the settings from.

use std::path::PathBuf;

use clap::Args;

use crate::settings::{Settings, SettingsError};

/// Where the settings come from.
#[derive(Debug, Args)]
pub(super) struct SettingsSource {
    /// Read the settings from this file alone, in the format of systemd's EnvironmentFile=
    #[arg(long, value_name = "FILE")]
    pub(super) env_file: Option<PathBuf>,
}

impl SettingsSource {
    /// Reads the settings; the error has every problem at once.
    pub(super) fn settings(&self) -> Result<Settings, SettingsError> {
        match &self.env_file {
            Some(path) => Settings::from_file(path),
            None => Settings::from_process(),
        }
    }
}
