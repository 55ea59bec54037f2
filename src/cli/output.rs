//! How a command that only prints ends.

use std::io;

use crate::exit::Exit;

/// A reader that has seen enough (`| head`) is no failure.
pub(super) fn exit(result: io::Result<Exit>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => {
            eprintln!("{error}");
            Exit::Failed
        }
    }
}
