//! Wires only: arguments, log, command, exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use deploy_agent::cli::{Cli, Command};
use deploy_agent::{check, cli, prune, serve};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Serve(from) => serve::run(&from).into(),
        Command::Check(from) => check::run(&from).into(),
        Command::History(options) => cli::history(options).into(),
        Command::Verify(options) => cli::verify(options).into(),
        Command::Prune(arguments) => prune::run(&arguments).into(),
        Command::HashSecret => cli::hash_secret().into(),
    }
}
