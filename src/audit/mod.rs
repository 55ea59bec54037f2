//! The append-only trail: intent before act, outcome after, recovery, chain, tag ledger.
//!
//! `trail` is the handle, `writer` the one thread behind it, `chain` what it writes and when a new
//! file begins, `log_file` the file itself. `recovery` and `torn` deal with what an earlier life left, `verify`
//! with what anybody left. `record` is the format of a line, `event` what can be said in one.

mod bounds;
mod chain;
mod error;
mod event;
mod examine;
mod files;
mod fingerprint;
mod layout;
mod ledger;
mod log_file;
mod record;
mod recovery;
mod rejections;
mod stamp;
mod state;
mod torn;
mod trail;
mod verify;
mod walk;
mod writer;

pub(crate) use bounds::{obeyed_by_terminals, to_json};
pub use error::TrailError;
pub use event::*;
pub use examine::{Occupancy, examine};
pub use fingerprint::Fingerprinter;
pub(crate) use layout::{NEWEST, TrailFile, TrailFiles, is_at};
pub use trail::{KeptAside, LedgerEntry, OpenOptions, Opened, Pending, ROTATE_AT, Receipt, Trail};
pub use verify::{Anchor, Verdict, VerifyOptions, verify};
