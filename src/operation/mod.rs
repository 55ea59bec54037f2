//! What an operation is, the straight line of a deploy, the straight line of a stop; and what the operator of the host
//! asks for, none of which touches the container: `ahead` (a pull), `prune`, `hold` (freeze and thaw).
//!
//! Read [`perform()`] first: it begins, runs and ends every operation. `deploy` and `stop` show their steps by name, one
//! behind the other. Every step takes the one road of `step`: it publishes what is being done, records the intent, acts
//! under a deadline, records the outcome and tags the failure. What a step needs stands in the file of its name:
//! `preflight`, `pull`, `image` (verify), `confirm`. No retries, no rollback, no fallback.
//!
//! | to change | read |
//! |---|---|
//! | the steps of a deploy | `deploy` |
//! | what a freeze holds | `perform` (where an operation begins), `hold`, [`crate::freeze`] |
//! | what is refused before anything is touched | [`CAUSES`] first; then `host`, `engine_host`, `preflight`, `image`, `runnable`, `signature` |
//! | where a tag's immutability is enforced | `image`; whether its ledger is believed, `ledger_guard` |
//! | the HTTP status of a failure | `failure` |
//! | what a record says | `record`, then the event in [`crate::audit`] |

mod ahead;
mod causes;
mod confirm;
mod deploy;
mod deps;
mod engine_host;
mod failure;
mod guarded;
mod hold;
mod host;
mod image;
mod interrupted;
mod ledger_guard;
mod paths;
mod perform;
mod preflight;
mod prune;
mod pull;
mod record;
mod request;
mod runnable;
mod signature;
mod step;
mod stop;

pub use causes::{CAUSES, Cause, Known};
pub use deps::{Admission, OperationDeps};
pub use engine_host::{EngineInspection, inspect_engine};
pub use failure::{Failure, FailureKind, RuntimeState, Step};
pub use guarded::{FileFault, directories_guarded, guarded};
pub use host::{HostInspection, HostProblem, inspect_host};
pub use interrupted::record_interrupted;
pub use ledger_guard::LedgerGuard;
pub use paths::relation_on_disk;
pub use perform::{not_started, perform};
pub use prune::{Unneeded, unneeded};
pub use record::asked_by;
pub use request::{Completed, Ended, Operation, Request, Turn};
