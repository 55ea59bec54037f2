//! What every request can reach.

use crate::access::Access;
use crate::agent::Agent;

/// What every request can reach, shared by all workers.
pub(super) struct AppState {
    /// The handle of the operations and of the status.
    pub(super) agent: Agent,
    /// The checks that a request passes first.
    pub(super) access: Access,
}
