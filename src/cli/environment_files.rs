//! Where an environment's files are: by its name, what a path need not be given for.

use std::path::{Path, PathBuf};

use crate::domain::Environment;
use crate::settings::{ENVIRONMENTS, env_file};

/// The settings file of an environment's agent on a host.
pub(super) fn settings_file(environment: Environment) -> PathBuf {
    agent_directory(environment).join(".env")
}

/// The login of an environment's agent at the registry, which its unit hands on.
pub(super) fn registry_login(environment: Environment) -> PathBuf {
    agent_directory(environment).join("docker/config.json")
}

/// The path that was given, or the state directory of the environment that it names: as its settings file says, where that
/// may be read, else where it is unless they say otherwise. A directory of that name is given as `./dev`.
pub(super) fn trail_path(given: &Path) -> PathBuf {
    let named = given
        .to_str()
        .and_then(|text| text.parse::<Environment>().ok());
    let Some(environment) = named else {
        return given.to_owned();
    };
    let settings = env_file::load(&settings_file(environment));
    let set = settings
        .ok()
        .and_then(|file| file.variables.get("STATE_DIRECTORY").cloned());
    match set.filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => agent_directory(environment).join("state"),
    }
}

fn agent_directory(environment: Environment) -> PathBuf {
    Path::new(ENVIRONMENTS)
        .join(environment.as_str())
        .join("deploy-agent")
}
