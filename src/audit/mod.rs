//! The append-only trail: intent before act, outcome after, recovery, chain, tag ledger.
//!
//! Which file is what, from the format up; imports go up this list only:
//!
//! | | |
//! |---|---|
//! | format | `bounds`, `hash`, `anchor`, `event` what can be said, `record` a line of it |
//! | files | `layout` names, `regular` and `lines` how any of them is read, `files`, `directory` whose it is, `head`, `log_file` the file that grows, `quarantine` |
//! | tags | `ledger` of immutable tags, `fingerprint` |
//! | check | `last` how operations ended, `verifier` the rules of the chain, `sidecars`, `state`, `recovery` at a start, `verify` for people |
//! | write | `options`, `chain`, `rejections`, `writer` the one thread, `trail` the handle |

mod anchor;
mod bounds;
mod chain;
mod directory;
mod error;
mod event;
mod files;
mod fingerprint;
mod hash;
mod head;
mod last;
mod layout;
mod ledger;
mod lines;
mod log_file;
mod options;
mod quarantine;
mod record;
mod recovery;
mod regular;
mod rejections;
mod sidecars;
mod state;
mod trail;
mod verifier;
mod verify;
mod writer;

pub use anchor::Anchor;
pub(crate) use bounds::{obeyed_by_terminals, to_json};
pub use directory::{Occupancy, examine};
pub use error::TrailError;
pub use event::*;
pub(crate) use files::{read_own, remove, replace};
pub use fingerprint::Fingerprinter;
pub use last::{Counts, KINDS, LastOperation, LastOperations, OUTCOMES};
pub(crate) use layout::{NEWEST, TrailFile, TrailFiles, is_at};
pub use ledger::{LastRun, LedgerEntry, LedgerReference};
pub(crate) use lines::LineReader;
pub use options::{Opened, Quarantined, ROTATE_AT, TrailOptions};
pub(crate) use record::{Line, NotARecord, Text, owned};
pub use trail::{Pending, Trail};
pub(crate) use verifier::Verifier;
pub use verify::{Verdict, VerifyOptions, verify};
