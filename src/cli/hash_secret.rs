//! `deploy-agent hash-secret`: a token's secret on standard input, its SHA-256 on standard output.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::output::{self, complain};
use crate::access::hash_secret::{HashSecretError, hash_secret};
use crate::exit::Exit;

/// Prints the hash of the secret on standard input. At a terminal it asks for one line, and the secret is not shown.
pub(super) fn run() -> Exit {
    let input = io::stdin();
    let hashed = match input.is_terminal() {
        true => asked_for(&mut input.lock()),
        false => hash_secret(&mut input.lock()),
    };
    match hashed {
        Ok(hash) => {
            let written = writeln!(io::stdout(), "{hash}");
            output::exit(written.map(|()| Exit::Ok))
        }
        Err(error) => {
            complain!("{error}");
            Exit::Failed
        }
    }
}

fn asked_for(input: &mut impl BufRead) -> Result<String, HashSecretError> {
    write!(io::stderr(), "the token's secret (not shown): ").ok();
    let before = tcgetattr(io::stdin()).map_err(io::Error::from)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Flush, &silent).map_err(io::Error::from)?;
    let mut line = String::new();
    let read = input.read_line(&mut line);
    // Also when nothing could be read: the terminal is the person's.
    tcsetattr(io::stdin(), OptionalActions::Flush, &before).map_err(io::Error::from)?;
    complain!();
    read?;
    hash_secret(line.as_bytes())
}
