//! The HTTP application: exactly three routes, exactly the contract's fields, every answer JSON.
//!
//! A request passes the `guard` (access, content type, its whole body), is parsed by its handler, handed to the agent
//! and answered. Nothing here knows Docker; everything the contract does not name is rejected. Two words are kept apart:
//! a request is *denied* when the access check says no, and *rejected* when it is answered with an error before it
//! became an operation, for whatever reason; each denied request is also a rejected one.
//!
//! A client that asks first whether to send its body (`Expect: 100-continue`) is judged first (`expect`).
//!
//! The framework's own server serves, one request a connection: a proxy never sends into a connection that is being
//! closed, and a client that has its answer holds nothing. What a connection may hold, and for how long:
//!
//! | who | how long | bounded by |
//! |---|---|---|
//! | sends no whole head | 5 s (`HEAD_TIMEOUT`) | the server, with a bare 408 |
//! | sends no whole body | 10 s (`body::TIMEOUT`) | the guard, with a 408 |
//! | goes on sending behind its answer | 2 s (`DISCONNECT_TIMEOUT`) | the server |
//! | does not read its answer | 30 s (`UNREAD_TIMEOUT`) | the kernel |
//! | waits for its operation | the operation's budget | the operation |
//!
//! A client that closes its side has left: the server drops the handler and with it the receiver of the outcome. That
//! is how the actor learns that nobody waits any more for an operation that has not started.

mod answer;
pub mod body;
mod browser;
mod error;
mod expect;
mod guard;
mod handlers;
mod server;
mod state;

pub use server::serve;
