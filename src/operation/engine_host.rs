//! What a deploy needs of the engine and its host, as far as the engine tells. The preflight and `check` go by this one
//! list; what may change during a pull is asked again right before the stop.

use super::host::HostProblem;
use crate::engine::{Engine, EngineError, EngineInfo};
use crate::settings::RuntimeSettings;

/// The least room for a container's own files and the first lines of its log, in bytes and in files. With less the
/// engine's next write is a gamble.
const LEAST_BYTES: u64 = 16 * 1024 * 1024;
const LEAST_FILES: u64 = 256;

/// What the engine said.
pub struct EngineInspection {
    /// Of itself.
    pub info: EngineInfo,
    /// All of them.
    pub problems: Vec<HostProblem>,
}

/// Asks the engine what it is and whether it could make the container. Changes nothing.
///
/// # Errors
/// It is unreachable, is no Docker Engine, or does not say what was asked.
pub async fn inspect_engine(
    engine: &Engine,
    runtime: &RuntimeSettings,
) -> Result<EngineInspection, EngineError> {
    let info = engine.info().await?;
    let mut problems: Vec<_> = info.problems(runtime).map(HostProblem::Other).collect();
    problems.extend(room_and_network(engine, runtime, &info).await?);
    Ok(EngineInspection { info, problems })
}

/// What may be otherwise after a long pull: the space that it took, and a network.
pub(super) async fn room_and_network(
    engine: &Engine,
    runtime: &RuntimeSettings,
    info: &EngineInfo,
) -> Result<Vec<HostProblem>, EngineError> {
    let mut problems = Vec::new();
    // Of an engine elsewhere the path means nothing here.
    if engine.is_local()
        && let Some(root) = &info.root_directory
    {
        problems.extend(no_room(root).map(HostProblem::Other));
    }
    let network = engine.network_problem(&runtime.network).await?;
    problems.extend(network.map(|problem| {
        HostProblem::Other(format!("RUNTIME_NETWORK {}: {problem}", runtime.network))
    }));
    Ok(problems)
}

/// Whether the disk of this directory is full. None also where that cannot be told: the file system counts neither
/// bytes nor files, or the directory is not to be seen from here.
fn no_room(directory: &str) -> Option<String> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    // What root may use: the engine is root.
    let bytes = disk.f_bfree.saturating_mul(disk.f_frsize);
    let full =
        |what: String| format!("the Docker engine's disk at {directory} is full: {what} left");
    if disk.f_blocks > 0 && bytes < LEAST_BYTES {
        return Some(full(format!("{} MiB are", bytes / (1024 * 1024))));
    }
    (disk.f_files > 0 && disk.f_ffree < LEAST_FILES)
        .then(|| full(format!("{} files are", disk.f_ffree)))
}

#[cfg(test)]
mod tests {
    use super::no_room;

    #[test]
    fn a_file_system_that_counts_nothing_and_a_directory_that_is_not_there_tell_nothing() {
        assert_eq!(no_room("/proc"), None);
        assert_eq!(no_room("/no/such/directory"), None);
    }
}
