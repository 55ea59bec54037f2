//! The append-only trail: intent before act, outcome after, recovery, chain, tag ledger.

mod bounds;
mod error;
mod event;
mod fingerprint;
mod trail;
mod verify;

pub use error::TrailError;
pub use event::*;
pub use fingerprint::Fingerprinter;
pub use trail::{KeptAside, LedgerEntry, OpenOptions, Opened, Pending, ROTATE_AT, Receipt, Trail};
pub use verify::{Anchor, Verdict, VerifyOptions, verify};
