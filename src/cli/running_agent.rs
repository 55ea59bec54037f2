//! What every command to the running agent shares: which agent, and what its last word means.

use std::path::PathBuf;

use clap::Args;

use super::output::{ProgressLine, complain, harmless, say};
use crate::domain::Environment;
use crate::exit::Exit;
use crate::local::{self, AskError, Command, Reply};

/// Which agent is asked.
#[derive(Debug, Args)]
pub(super) struct RunningAgent {
    /// dev or prod
    #[arg(value_name = "ENVIRONMENT")]
    environment: Environment,
    /// Where its socket is, if it was started with another runtime or state directory
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl RunningAgent {
    /// Asks, and shows progress; what is no answer is told on standard error.
    pub(super) fn ask(&self, command: &Command) -> Result<Reply, Exit> {
        let mut line = ProgressLine::default();
        let reply = local::ask(&self.socket(), command, |text| line.show(text));
        line.end();
        reply.map_err(|error| {
            complain!("{error}");
            match error {
                AskError::NotRunning(_) => Exit::NotRunning,
                AskError::NotAllowed(_) | AskError::NoAnswer(_) => Exit::Failed,
            }
        })
    }

    /// Asks for an operation and tells how it ended.
    pub(super) fn carry_out(&self, command: &Command) -> Exit {
        match self.ask(command) {
            Ok(reply) => concluded(reply),
            Err(exit) => exit,
        }
    }

    /// The first that is there, else the likeliest.
    fn socket(&self) -> PathBuf {
        if let Some(socket) = &self.socket {
            return socket.clone();
        }
        let [likeliest, other] = local::paths(self.environment);
        // Whoever may not see it is told by connecting.
        match (likeliest.try_exists(), other.try_exists()) {
            (Ok(false), Ok(true)) => other,
            _ => likeliest,
        }
    }
}

/// The agent's last word about an operation.
pub(super) fn concluded(reply: Reply) -> Exit {
    match reply {
        Reply::Ended {
            succeeded,
            text,
            operation,
            audit_head,
            removed,
        } => {
            for name in removed {
                say!("removed {}", harmless(&name));
            }
            let id = operation.unwrap_or_else(|| "none".to_owned());
            let head = audit_head.unwrap_or_else(|| "none".to_owned());
            let tail = format!("operation {id}, audit head {head}");
            if succeeded {
                say!("{}\n{tail}", harmless(&text));
                Exit::Ok
            } else {
                complain!("{}\n{tail}", harmless(&text));
                Exit::Failed
            }
        }
        Reply::Refused { text } => {
            complain!("refused: {}", harmless(&text));
            Exit::Failed
        }
        Reply::Progress { .. } | Reply::Status { .. } | Reply::Images { .. } => {
            complain!("the deploy agent answered something else: is it of another version?");
            Exit::Failed
        }
    }
}
