//! The append-only trail: intent before act, outcome after, recovery, chain, tag ledger.

pub(crate) mod bounds;
mod chain;
mod error;
mod event;
mod files;
mod fingerprint;
mod recovery;
mod rejections;
mod trail;
mod verify;
mod writer;

pub use error::TrailError;
pub use event::*;
pub use fingerprint::Fingerprinter;
pub use trail::{KeptAside, LedgerEntry, OpenOptions, Opened, Pending, ROTATE_AT, Receipt, Trail};
pub(crate) use verify::trail_files;
pub use verify::{Anchor, Verdict, VerifyOptions, verify};
