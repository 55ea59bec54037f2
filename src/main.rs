//! Wires only: arguments, command, exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use deploy_agent::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run().into()
}
