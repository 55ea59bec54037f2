//! What can be checked before the pull: this host's files and directories, and the engine.

use std::path::Path;

use futures_util::future::join;
use tokio::io::AsyncReadExt;

use super::deps::OperationDeps;
use super::failure::StepError;
use super::paths::still_apart;
use crate::domain::RuntimeEnv;
use crate::engine::EngineInfo;

/// More than any environment the kernel would take for a process (`MAX_ARG_STRLEN` times a few).
const LARGEST_ENV_FILE: u64 = 1024 * 1024;

/// What the preflight found.
pub(super) struct Prepared {
    pub(super) environment: RuntimeEnv,
    pub(super) engine: EngineInfo,
}

/// Touches nothing: reads `runtime.env` afresh, checks the binds, the plane and the engine.
pub(super) async fn preflight(deps: &OperationDeps) -> Result<Prepared, StepError> {
    deps.ledger.admit().await?;
    // The engine starts programs to tell its version: the host is checked meanwhile.
    let (environment, engine) = join(host(deps), deps.engine.info()).await;
    let (environment, engine) = (environment?, engine?);
    engine
        .can_keep(&deps.runtime.limits)
        .map_err(StepError::Host)?;
    Ok(Prepared {
        environment,
        engine,
    })
}

/// The files and directories of a deploy.
async fn host(deps: &OperationDeps) -> Result<RuntimeEnv, StepError> {
    let environment = read_env_file(&deps.runtime.env_file)
        .await
        .map_err(StepError::Host)?;
    let plane = environment.get("EXECUTION_PLANE");
    deps.runtime
        .allowed_planes
        .check(plane)
        .map_err(|error| StepError::Host(error.to_string()))?;
    still_apart(deps).await?;
    Ok(environment)
}

/// Reads and parses `runtime.env`.
///
/// # Errors
/// A sentence that names the file and the line, never a value.
pub async fn read_env_file(path: &Path) -> Result<RuntimeEnv, String> {
    let named =
        |problem: &dyn std::fmt::Display| format!("RUNTIME_ENV_FILE {}: {problem}", path.display());
    // Asked before it is opened: opening a pipe would wait for its writer.
    let meta = tokio::fs::metadata(path)
        .await
        .map_err(|error| named(&error))?;
    if !meta.is_file() {
        return Err(named(&"is not a regular file"));
    }
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| named(&error))?;
    let mut bytes = Vec::new();
    file.take(LARGEST_ENV_FILE + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| named(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_ENV_FILE) {
        return Err(named(&"is larger than 1 MiB"));
    }
    RuntimeEnv::parse(&bytes).map_err(|error| named(&error))
}
