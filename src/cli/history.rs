//! `deploy-agent history`: what ran when, who asked, and what failed.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;

use super::environment_files::trail_path;
use super::output;
use crate::exit::Exit;
use crate::history::{HistoryOptions, Since};

/// What `history` shows.
#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    /// dev or prod, a state directory, a copy of one, or one file of an audit trail
    #[arg(value_name = "ENVIRONMENT|PATH")]
    path: PathBuf,
    /// One JSON object an operation and line, for tools
    #[arg(long)]
    json: bool,
    /// Only operations from this time (RFC 3339) or age (90m, 2h, 3d) on
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only operations that did not succeed
    #[arg(long)]
    failed: bool,
    /// Also rejected requests
    #[arg(long)]
    rejected: bool,
    /// Go on showing operations as they end
    #[arg(long)]
    follow: bool,
    /// At most the newest so many operations
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Shows what ran when, as wide as the terminal.
pub(super) fn run(arguments: HistoryArguments) -> Exit {
    let HistoryArguments {
        path,
        json,
        since,
        failed,
        rejected,
        follow,
        limit,
    } = arguments;
    let terminal = io::stdout().is_terminal();
    let width = terminal
        .then(|| rustix::termios::tcgetwinsize(io::stdout()).ok())
        .flatten();
    let options = HistoryOptions {
        path: trail_path(&path),
        json,
        since,
        failed,
        rejected,
        follow,
        limit,
        width: width
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0),
        colour: terminal && std::env::var_os("NO_COLOR").is_none(),
    };
    let printed = crate::history::history(&options, &mut io::stdout().lock());
    output::exit(printed.map(|()| Exit::Ok))
}
