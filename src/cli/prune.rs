//! `deploy-agent prune`: images that are not needed. Never runs by itself; without `--yes` it lists.

use clap::Args;

use super::output::{harmless, say};
use super::running_agent::{RunningAgent, concluded};
use crate::exit::Exit;
use crate::local::{Command, ImageRow, Reply};

/// What `prune` removes.
#[derive(Debug, Args)]
pub(super) struct PruneArguments {
    #[command(flatten)]
    agent: RunningAgent,
    /// How many of the images that ran last are kept, besides those in use
    #[arg(long, value_name = "N", default_value_t = 5)]
    keep: usize,
    /// Remove them; without it they are only listed
    #[arg(long)]
    yes: bool,
}

/// Lists, or removes.
pub(super) fn run(arguments: &PruneArguments) -> Exit {
    let reply = arguments.agent.ask(&Command::Prune {
        keep: arguments.keep,
        remove: arguments.yes,
    });
    match reply {
        Ok(Reply::Images { images }) => {
            list(&images, arguments.keep);
            Exit::Ok
        }
        Ok(reply) => concluded(reply),
        Err(exit) => exit,
    }
}

fn list(images: &[ImageRow], keep: usize) {
    for image in images {
        let last = match &image.last_ran_at {
            Some(at) => format!("last ran {at}"),
            None => "untagged".to_owned(),
        };
        let (name, megabytes) = (&image.reference, image.bytes / 1_000_000);
        say!("{}  {megabytes} MB  {last}", harmless(name));
    }
    match images.len() {
        0 => say!(
            "nothing to remove: the {keep} that ran last, what a container uses and what has not run yet are kept"
        ),
        count => say!("{count} to remove; --yes removes them"),
    }
}
