//! Manual pages and completions of the command line.

use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use deploy_agent::cli::Cli;

/// Writes `man/*.1` and `completions/*` below a directory.
///
/// # Errors
/// When the directory cannot be written to.
pub fn write(directory: &Path) -> io::Result<()> {
    // Pages of commands that are no more would be packed with the rest.
    let man = emptied(directory.join("man"))?;
    let completions = emptied(directory.join("completions"))?;
    let command = || Cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command(), man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command(), "deploy-agent", &completions)?;
    }
    Ok(())
}

fn emptied(directory: PathBuf) -> io::Result<PathBuf> {
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
