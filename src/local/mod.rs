//! The operator's socket: what a person on the host asks of the running agent.
//!
//! It can tell what is the case, fetch an image ahead of a deploy, remove images that are not needed, and hold deploys.
//! It has no word for starting, stopping or replacing the runtime: that is the contract's API alone. Only root and the
//! agent's own user may connect, as the kernel names them, and who asked is recorded by the uid.
//!
//! One request a connection, one line of JSON (`protocol`); answers are lines too. Whoever closes the connection ends a
//! pull and a prune; a freeze that was asked for takes effect all the same.

mod client;
mod conversation;
mod protocol;
mod server;
mod socket;

pub use client::{AskError, ask};
pub use protocol::{Command, ImageRow, Reply};
pub use server::serve;
pub use socket::{SocketFile, bind, directory, paths};
