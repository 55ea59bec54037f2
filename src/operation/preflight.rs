//! What can be checked before the pull: this host's files and directories, and the engine.

use futures_util::future::join;

use super::deps::OperationDeps;
use super::engine_host::{EngineInspection, inspect_engine};
use super::failure::StepError;
use super::host::{inspect_host, none_of};
use crate::domain::RuntimeEnv;
use crate::engine::EngineInfo;

/// What the preflight found.
pub(super) struct Prepared {
    pub(super) environment: RuntimeEnv,
    pub(super) engine: EngineInfo,
}

/// What judging an image takes, whatever else is wrong with this host: a pull ahead needs no more.
pub(super) async fn look_ahead(deps: &OperationDeps) -> Result<Prepared, StepError> {
    let host = inspect_host(&deps.runtime, &deps.host_paths);
    let (host, engine) = join(host, deps.engine.info()).await;
    Ok(Prepared {
        environment: host.environment.unwrap_or_default(),
        engine: engine?,
    })
}

/// Touches nothing: reads `runtime.env` afresh, checks the binds, the plane, the engine and the network.
pub(super) async fn preflight(deps: &OperationDeps) -> Result<Prepared, StepError> {
    deps.ledger.admit().await?;
    deps.fingerprints.get()?;
    // The engine starts programs to tell its version: the host is checked meanwhile.
    let host = inspect_host(&deps.runtime, &deps.host_paths);
    let engine = inspect_engine(&deps.engine, &deps.runtime);
    let (host, engine) = join(host, engine).await;
    if engine.is_err() {
        // What is wrong here is told without it.
        none_of(&host.problems)?;
    }
    let EngineInspection { info, problems } = engine?;
    none_of(host.problems.iter().chain(&problems))?;
    Ok(Prepared {
        environment: host.environment.unwrap_or_default(),
        engine: info,
    })
}
