//! `deploy-agent check`: inspects everything that a deploy would need, and changes nothing.
//!
//! It sees what its own user sees, in its own sandbox: on a host `dreichor-deploy-agent-setup check` runs it as the unit's.

use clap::Args;

use super::findings::{Findings, inspect};
use super::source::SettingsSource;
use crate::exit::Exit;
use crate::settings::env_file;

/// What `check` inspects.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Where the settings come from.
    #[command(flatten)]
    source: SettingsSource,
    /// Only print this variable of the settings file as systemd reads it, nothing if it is not set
    #[arg(long, value_name = "NAME")]
    variable: Option<String>,
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
    print!("{settings}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let found = match runtime {
        Ok(runtime) => runtime.block_on(inspect(&settings)),
        Err(error) => Findings {
            problems: vec![format!("the async runtime cannot be started: {error}")],
            notes: Vec::new(),
        },
    };
    for note in &found.notes {
        println!("note: {note}");
    }
    for problem in &found.problems {
        eprintln!("problem: {problem}");
    }
    if found.problems.is_empty() {
        println!("ok: a deploy would find everything it needs");
        Exit::Ok
    } else {
        Exit::Failed
    }
}

/// One variable of the file as systemd reads it, for scripts; nothing if it is not set. Whether the settings as a whole
/// are right does not matter here.
fn print_variable(arguments: &CheckArguments, name: &str) -> Exit {
    let Some(path) = &arguments.source.env_file else {
        eprintln!("--variable needs --env-file");
        return Exit::Failed;
    };
    match env_file::load(path) {
        Ok(found) => {
            if let Some(value) = found.variables.get(name) {
                println!("{value}");
            }
            Exit::Ok
        }
        // The unit does not start with a file that systemd rejects as a whole.
        Err(problem) => {
            eprintln!("problem: {} {problem}", path.display());
            Exit::Settings
        }
    }
}
