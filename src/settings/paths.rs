//! Which paths of these settings must be apart, and the problems of those that are not, as they are written.

use std::path::{Path, PathBuf};

use super::engine::EngineSettings;
use super::reader::Reader;
use super::runtime::RuntimeSettings;
use crate::domain::{Environment, HostPaths, NamedPath};
use crate::signature::SignatureSettings;

/// Where the contract has the environments.
pub(crate) const ENVIRONMENTS: &str = "/opt/dreichor";

/// Collects what the binds must be apart from, and tells what is not. The settings were read from `file`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    environment: Environment,
    runtime: &RuntimeSettings,
    engine: &EngineSettings,
    signatures: &SignatureSettings,
    state_directory: &Path,
    [metrics_file, file]: [Option<&Path>; 2],
) -> HostPaths {
    let other = environment.other();
    let others = format!("{ENVIRONMENTS}/{other}");
    for (variable, path) in [
        ("RUNTIME_ENV_FILE", runtime.env_file.as_path()),
        ("STATE_DIRECTORY", state_directory),
    ] {
        if path.starts_with(&others) {
            reader.problem(variable, format!("{} is of {other}", path.display()));
        }
    }
    let binds = vec![
        NamedPath::new("AUDIT_EVENTS_PATH", &runtime.audit_events),
        NamedPath::new("SNAPSHOTS_PATH", &runtime.snapshots),
    ];
    let agent = PathBuf::from(format!("{ENVIRONMENTS}/{environment}/deploy-agent"));
    let mut own = vec![
        NamedPath::new("STATE_DIRECTORY", state_directory),
        NamedPath::new("RUNTIME_ENV_FILE", &runtime.env_file),
        NamedPath::new("the agent's settings", agent.join(".env")),
        NamedPath::new("the registry's credentials", agent.join("docker")),
        NamedPath::new("DOCKER_HOST", engine.socket()),
    ];
    let optional = [
        ("DOCKER_CONFIG", engine.docker_config.as_deref()),
        ("DOCKER_CERT_PATH", engine.tls_directory.as_deref()),
        ("METRICS_FILE", metrics_file),
        ("the agent's settings", file),
    ];
    let set = |(name, path): (_, Option<&Path>)| Some(NamedPath::new(name, path?));
    own.extend(optional.into_iter().filter_map(set));
    let keys = signatures.keys.iter();
    own.extend(keys.map(|key| NamedPath::new("SIGNATURE_KEYS", key.path())));
    let paths = HostPaths::new(binds, own, ENVIRONMENTS, other.as_str());
    for overlap in paths.overlaps() {
        reader.problem(overlap.bind.name, &overlap);
    }
    paths
}
