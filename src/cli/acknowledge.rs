//! `deploy-agent acknowledge`: an operator has read why the ledger of tags may not know every tag, and lets deploys go on.
//!
//! The agent alone writes to the trail, so the command leaves a file for it: a running agent records it within a second or
//! at its next deploy, one that is stopped when it starts.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use super::environment_files::settings_file;
use super::output::{complain, say};
use super::source::SettingsSource;
use crate::audit::{Acknowledgement, Occupancy, doubts_of, examine};
use crate::domain::Environment;
use crate::exit::Exit;

/// A running agent has recorded it by then, unless it cannot write.
const RECORDED_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// What `acknowledge` records.
#[derive(Debug, Args)]
pub(super) struct AcknowledgeArguments {
    /// dev or prod, whose settings are where the installer puts them
    #[arg(value_name = "ENVIRONMENT", conflicts_with = "env_file")]
    environment: Option<Environment>,
    #[command(flatten)]
    source: SettingsSource,
    /// Why deploys may go on; it is recorded with the user who says it
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
}

/// Shows what is doubted, and acknowledges that and nothing that comes later.
pub(super) fn run(arguments: &AcknowledgeArguments) -> Exit {
    let source = match arguments.environment {
        Some(environment) => &SettingsSource {
            env_file: Some(settings_file(environment)),
        },
        None => &arguments.source,
    };
    let settings = match source.settings_or_exit() {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let directory = &settings.state_directory;
    match acknowledge(directory, settings.environment.as_str(), &arguments.reason) {
        Ok(said) => {
            say!("{said}");
            Exit::Ok
        }
        Err(error) => {
            complain!("STATE_DIRECTORY {error}");
            Exit::Failed
        }
    }
}

fn acknowledge(directory: &Path, environment: &str, reason: &str) -> io::Result<&'static str> {
    let Some(doubts) = doubts_of(directory)? else {
        let message = format!(
            "{}: there is no audit trail yet: start the agent first, it says what it does not know",
            directory.display()
        );
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    };
    let Some(newest) = doubts.iter().map(|doubt| doubt.seq).max() else {
        return Ok("nothing is doubted: there is nothing to acknowledge");
    };
    for doubt in &doubts {
        say!("{doubt}");
    }
    let acknowledgement = Acknowledgement {
        reason: reason.to_owned(),
        user: rustix::process::getuid().as_raw(),
        through_seq: newest,
    };
    acknowledgement.leave(directory)?;
    // Of another user's directory only the lock is asked about.
    let stopped = matches!(examine(directory, environment), Ok(Occupancy::Free));
    let end = Instant::now() + RECORDED_WITHIN;
    while !stopped && Instant::now() < end {
        if !Acknowledgement::waits(directory) {
            return Ok("acknowledged and recorded");
        }
        std::thread::sleep(POLL);
    }
    Ok("acknowledged: the agent records it when it starts, or when it can write")
}
