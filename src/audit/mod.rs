//! The append-only trail: intent before act, outcome after, recovery, chain, tag ledger.
//!
//! Which file is what, from the format up; imports go up this list only:
//!
//! | | |
//! |---|---|
//! | format | `bounds`, `hash`, `anchor`, `doubt` of the ledger, `observation` of the container, `event` what can be said, `record` a line of it |
//! | files | `layout` names, `regular` and `lines` how any of them is read, `files`, `directory` whose it is, `head`, `log_file` the file that grows, `quarantine` |
//! | tags | `ledger` of immutable tags, `fingerprint` |
//! | operator | `acknowledgement` of a ledger that may not know every tag |
//! | check | `last` how operations ended, `verifier` the rules of the chain, `sidecars`, `doubts`, `state`, `recovery` at a start, `anchors` that others keep, `verify` for people, `lookup` for the agent |
//! | write | `options`, `chain`, `reserve` the room for a stop, `opening`, `rehearsal` of it for `check`, `store` open or waiting for room, `budget`, `writer` the one thread, `trail` the handle |

mod acknowledgement;
mod anchor;
mod anchors;
mod bounds;
mod budget;
mod chain;
mod directory;
mod doubt;
mod doubts;
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
mod lookup;
mod observation;
mod opening;
mod options;
mod outages;
mod quarantine;
mod record;
mod recovery;
mod regular;
mod rehearsal;
mod reserve;
mod sidecars;
mod state;
mod store;
mod trail;
mod verifier;
mod verify;
mod writer;

pub use acknowledgement::Acknowledgement;
pub use anchor::Anchor;
pub use anchors::{NotedAnchor, anchors_in};
pub(crate) use bounds::{obeyed_by_terminals, to_json};
pub use directory::{Occupancy, examine};
pub use doubt::{Doubt, DoubtKind, LedgerAcknowledged, LedgerDoubted};
pub use error::TrailError;
pub use event::*;
pub(crate) use files::{fresh, read_own, remove, replace};
pub use fingerprint::{Fingerprinter, Fingerprints};
pub use last::{Counts, KINDS, LastOperation, LastOperations, OUTCOMES};
pub(crate) use layout::{NEWEST, TrailFile, TrailFiles, is_at};
pub use ledger::{LastRun, LedgerEntry, LedgerReference, RanImage};
pub(crate) use lines::LineReader;
pub use lookup::doubts_of;
pub use observation::{Cause, Observation, ObservationsSuppressed, RuntimeObserved};
pub use options::{Opened, Quarantined, ROTATE_AT, Readiness, TrailOptions};
pub use outages::Down;
pub(crate) use outages::{Effect, Outages, in_words};
pub(crate) use record::{Line, NotARecord, Text, owned, timestamp};
pub use rehearsal::{Rehearsal, rehearse};
pub use trail::{Pending, Trail};
pub(crate) use verifier::Verifier;
pub use verify::{Verdict, VerifyOptions, verify};
