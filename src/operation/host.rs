//! What a deploy needs of this host besides the image. The preflight and `check` go by this one list.

use std::path::Path;

use thiserror::Error;
use tokio::io::AsyncReadExt;

use super::failure::StepError;
use super::guarded::{FileFault, FileFaultKind, guarded};
use super::paths::{bind_source, not_apart};
use crate::domain::{HostPaths, NamedPath, RuntimeEnv};
use crate::settings::RuntimeSettings;

/// More than any environment the kernel would take for a process (`MAX_ARG_STRLEN` times a few).
const LARGEST_ENV_FILE: u64 = 1024 * 1024;

/// Something of this host that keeps a deploy from succeeding. `Display` names the file, directory or variable.
#[derive(Debug, Error)]
pub enum HostProblem {
    /// Of `runtime.env` as a file.
    #[error(transparent)]
    EnvFile(#[from] FileFault),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What was found on this host.
#[derive(Debug)]
pub struct HostInspection {
    /// `runtime.env`, where it can be read.
    pub environment: Option<RuntimeEnv>,
    /// All of them.
    pub problems: Vec<HostProblem>,
}

/// Reads `runtime.env` afresh, and checks it, its plane and the binds. Changes nothing.
pub async fn inspect_host(runtime: &RuntimeSettings, paths: &HostPaths) -> HostInspection {
    let mut problems = path_problems(&runtime.env_file, paths).await;
    let unreadable = |problem: &HostProblem| {
        matches!(
            problem,
            HostProblem::EnvFile(FileFault {
                why: FileFaultKind::Unreadable(_) | FileFaultKind::NotAFile,
                ..
            })
        )
    };
    let mut environment = None;
    if !problems.iter().any(unreadable) {
        match read_env_file(&runtime.env_file).await {
            Ok(read) => {
                problems.extend(variable_problems(runtime, &read).map(HostProblem::Other));
                environment = Some(read);
            }
            Err(problem) => problems.push(HostProblem::Other(problem)),
        }
    }
    HostInspection {
        environment,
        problems,
    }
}

/// What a container made now would be given must be what it may have: for the preflight, and again right before the
/// old container is stopped.
pub(super) async fn path_problems(env_file: &Path, paths: &HostPaths) -> Vec<HostProblem> {
    let file = NamedPath::new("RUNTIME_ENV_FILE", env_file);
    let guarded = tokio::task::spawn_blocking(move || guarded(&file)).await;
    let guarded = guarded.expect("looking at a file does not panic");
    let mut problems: Vec<_> = guarded
        .err()
        .map(HostProblem::EnvFile)
        .into_iter()
        .collect();
    for bind in &paths.binds {
        let missing = bind_source(bind.name, &bind.path).await.err();
        problems.extend(missing.map(HostProblem::Other));
    }
    let overlaps = not_apart(paths).await.into_iter();
    problems.extend(
        overlaps.map(|overlap| HostProblem::Other(format!("{} {overlap}", overlap.bind.name))),
    );
    problems
}

/// Fails with all of them, if there are any.
pub(super) fn none_of<'a>(
    problems: impl IntoIterator<Item = &'a HostProblem>,
) -> Result<(), StepError> {
    let said: Vec<String> = problems.into_iter().map(ToString::to_string).collect();
    match said.is_empty() {
        true => Ok(()),
        false => Err(StepError::Host(said.join("; "))),
    }
}

/// What is wrong with the variables themselves; never a value.
fn variable_problems(
    runtime: &RuntimeSettings,
    environment: &RuntimeEnv,
) -> impl Iterator<Item = String> {
    let url = environment.get("DATABASE_URL");
    let no_url = url.is_none_or(|url| url.trim().is_empty()).then(|| {
        let path = runtime.env_file.display();
        format!("RUNTIME_ENV_FILE {path}: DATABASE_URL is missing or empty")
    });
    let plane = environment.get("EXECUTION_PLANE");
    let plane = runtime.allowed_planes.check(plane).err();
    no_url
        .into_iter()
        .chain(plane.map(|error| error.to_string()))
}

/// Reads and parses `runtime.env`. The error names the file and the line, never a value.
async fn read_env_file(path: &Path) -> Result<RuntimeEnv, String> {
    let named =
        |problem: &dyn std::fmt::Display| format!("RUNTIME_ENV_FILE {}: {problem}", path.display());
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
