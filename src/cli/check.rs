//! `deploy-agent check`: inspects everything that a deploy would need, and changes nothing.
//!
//! It sees what its own user sees, in its own sandbox: on a host `dreichor-deploy-agent-setup check` runs it as the unit's.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::apart;

use super::findings::{Findings, inspect};
use super::output::{self, complain, say};
use super::socket_unit;
use super::source::SettingsSource;
use crate::exit::Exit;
use crate::settings::{Settings, env_file};

/// What `check` inspects.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Where the settings come from.
    #[command(flatten)]
    source: SettingsSource,
    /// Only print this variable of the settings file as systemd reads it, nothing if it is not set
    #[arg(long, group = "only", value_name = "NAME")]
    variable: Option<String>,
    /// Only print the settings as the agent would use them
    #[arg(long, group = "only")]
    settings: bool,
    /// Only print the drop-in of the socket unit for these settings
    #[arg(long, group = "only")]
    socket_unit: bool,
    /// Only compare with the settings file of the other environment, with which nothing may be shared
    #[arg(long, group = "only", value_name = "FILE", requires = "env_file")]
    beside: Option<PathBuf>,
}

/// Prints the effective settings without secrets, then every note, and `ok` or every problem.
pub(super) fn run(arguments: &CheckArguments) -> Exit {
    if let Some(name) = &arguments.variable {
        return print_variable(arguments, name);
    }
    let settings = match arguments.source.settings_or_exit() {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    if arguments.socket_unit {
        return for_a_script(&socket_unit::drop_in(&settings));
    }
    if let (Some(other), Some(file)) = (&arguments.beside, &arguments.source.env_file) {
        return compare(&settings, file, other);
    }
    if arguments.settings {
        return for_a_script(&settings.to_string());
    }
    say!("{}", settings.to_string().trim_end());
    let held = socket_unit::agrees(&socket_unit::installed(settings.environment), &settings);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let found = match runtime {
        Ok(runtime) => runtime.block_on(inspect(&settings, arguments.source.env_file.as_deref())),
        Err(error) => Findings {
            problems: vec![format!("the async runtime cannot be started: {error}")],
            notes: Vec::new(),
        },
    };
    for note in &found.notes {
        say!("note: {note}");
    }
    for problem in &found.problems {
        complain!("problem: {problem}");
    }
    // The agent would not start with them.
    if let Err(problem) = held {
        complain!("problem: {problem}");
        return Exit::Settings;
    }
    if found.problems.is_empty() {
        say!("ok: a deploy would find everything it needs");
        Exit::Ok
    } else {
        Exit::Failed
    }
}

/// Text that is acted on: one that could not be written whole is a failure.
fn for_a_script(text: &str) -> Exit {
    let written = io::stdout().write_all(text.as_bytes());
    output::exit(written.map(|()| Exit::Ok))
}

/// What two environments share is a problem of both files.
fn compare(settings: &Settings, file: &Path, other: &Path) -> Exit {
    let (shared, wrong) = apart::shared(settings, file, other);
    if wrong {
        let other = other.display();
        say!("note: {other} is wrong in itself, and compared as it is written");
    }
    for problem in &shared {
        complain!("problem: {problem}");
    }
    match shared.is_empty() {
        true => Exit::Ok,
        false => Exit::Settings,
    }
}

/// One variable of the file as systemd reads it, for scripts; nothing if it is not set. Whether the settings as a whole
/// are right does not matter here.
fn print_variable(arguments: &CheckArguments, name: &str) -> Exit {
    let Some(path) = &arguments.source.env_file else {
        complain!("--variable needs --env-file");
        return Exit::Failed;
    };
    match env_file::load(path) {
        Ok(found) => {
            let value = found.variables.get(name);
            for_a_script(&value.map_or(String::new(), |value| format!("{value}\n")))
        }
        // The unit does not start with a file that systemd rejects as a whole.
        Err(problem) => {
            complain!("problem: {} {problem}", path.display());
            Exit::Settings
        }
    }
}
