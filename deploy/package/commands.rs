//! Manual pages and completions of the command line.

use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;
use deploy_agent::cli::Cli;

/// What each page ends with; the statuses are those of `src/exit.rs`.
const EVERY_PAGE: &str = r#".SH "EXIT STATUS"
0: done.
1: failed or refused, and said why.
2: wrong usage.
69: no agent of this environment runs, or it does not answer on its socket.
70: a part of the agent died.
75: another agent of this environment, or of this container, runs.
78: the settings are wrong; all problems are named.
.SH FILES
.I /opt/dreichor/<env>/deploy\-agent/.env
settings;
.I /opt/dreichor/<env>/runtime.env
environment of the runtime;
.I /opt/dreichor/<env>/deploy\-agent/state
audit trail;
.I /run/dreichor\-deploy\-agent/<env>/operator.sock
the running agent.
.SH "SEE ALSO"
.BR dreichor\-deploy\-agent\-setup (8),
.BR dreichor\-operator (1),
.I /usr/share/doc/dreichor\-deploy\-agent/README.Debian
(the first deploy),
.I /usr/share/doc/dreichor\-deploy\-agent/deploy/README.md
(settings, operation, what can fail)
"#;

/// Writes `man/*.1` and `completions/*` below a directory.
///
/// # Errors
/// When the directory cannot be written to.
pub fn write(directory: &Path) -> io::Result<()> {
    // Pages of commands that are no more would be packed with the rest.
    let man = emptied(directory.join("man"))?;
    let completions = emptied(directory.join("completions"))?;
    let command = || Cli::command().disable_help_subcommand(true);
    pages(command(), &man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command(), "deploy-agent", &completions)?;
    }
    Ok(())
}

/// A page of the program and one of each command, in the form `deploy-agent-status.1`.
fn pages(mut command: clap::Command, directory: &Path) -> io::Result<()> {
    command.build();
    let commands: Vec<_> = command.get_subcommands().cloned().collect();
    for page in commands.into_iter().chain([command]) {
        let name = page
            .get_display_name()
            .unwrap_or_else(|| page.get_name())
            .to_owned();
        let mut file = Vec::new();
        Man::new(page)
            .title(name.as_str())
            .source(concat!("deploy-agent ", env!("CARGO_PKG_VERSION")))
            .manual("Dreichor deploy agent")
            .render(&mut file)?;
        file.extend_from_slice(EVERY_PAGE.as_bytes());
        std::fs::write(directory.join(format!("{name}.1")), file)?;
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
