//! What can be checked before the pull: this host's files and directories, and the engine.

use futures_util::future::join;

use super::deps::OperationDeps;
use super::failure::StepError;
use super::host::{inspect_host, none_of};
use crate::domain::RuntimeEnv;
use crate::engine::EngineInfo;

/// What the preflight found.
pub(super) struct Prepared {
    pub(super) environment: RuntimeEnv,
    pub(super) engine: EngineInfo,
}

/// Touches nothing: reads `runtime.env` afresh, checks the binds, the plane and the engine.
pub(super) async fn preflight(deps: &OperationDeps) -> Result<Prepared, StepError> {
    // The engine starts programs to tell its version: the host is checked meanwhile.
    let host = inspect_host(&deps.runtime, &deps.host_paths);
    let (host, engine) = join(host, deps.engine.info()).await;
    none_of(&host.problems)?;
    let engine = engine?;
    engine
        .can_keep(&deps.runtime.limits)
        .map_err(StepError::Host)?;
    Ok(Prepared {
        environment: host.environment.unwrap_or_default(),
        engine,
    })
}
