//! The operator's end of the socket. Blocks.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::protocol::{Command, Reply};

/// For an answer that only tells what is known already.
const KNOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// For one that the engine is asked for.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no deploy agent runs that listens on {}", .0.display())]
    NotRunning(PathBuf),
    /// The socket is not for this user.
    #[error("only root and the agent's own user may ask the agent ({})", .0.display())]
    NotAllowed(PathBuf),
    /// It ended, or does not answer.
    #[error("the deploy agent did not answer: {0}")]
    NoAnswer(String),
}

/// Asks the agent behind `socket` and hands its progress on; gives its last word.
///
/// # Errors
/// There is no agent, it is not this user's to ask, or it went away without an answer.
pub fn ask(
    socket: &Path,
    command: &Command,
    mut progress: impl FnMut(&str),
) -> Result<Reply, AskError> {
    let broken = |error: io::Error| AskError::NoAnswer(error.to_string());
    let mut stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => AskError::NotAllowed(socket.to_owned()),
        _ => AskError::NotRunning(socket.to_owned()),
    })?;
    stream
        .set_read_timeout(answer_timeout(command))
        .map_err(broken)?;
    let mut line = serde_json::to_vec(command).map_err(|error| broken(error.into()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    for line in BufReader::new(&stream).lines() {
        let line = line.map_err(broken)?;
        let reply: Reply = serde_json::from_str(&line).map_err(|error| broken(error.into()))?;
        match reply {
            Reply::Progress { text } => progress(&text),
            last => return Ok(last),
        }
    }
    Err(AskError::NoAnswer("it closed the connection".to_owned()))
}

/// How long an answer may take; none for what ends when it ends.
fn answer_timeout(command: &Command) -> Option<Duration> {
    match command {
        Command::Status {} => Some(KNOWN_TIMEOUT),
        Command::Prune { remove: false, .. } => Some(ENGINE_TIMEOUT),
        Command::Prune { remove: true, .. }
        | Command::Pull { .. }
        | Command::Freeze { .. }
        | Command::Thaw {} => None,
    }
}
