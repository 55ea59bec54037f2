//! The files that decide what runs, besides the program: nobody but root and the agent's user may write them.

use std::path::Path;

use super::environment_files::{registry_login, settings_file};
use crate::domain::NamedPath;
use crate::operation::{FileFault, directories_guarded, guarded};
use crate::settings::Settings;

/// What engines behind TLS are told by.
const TLS_FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// How others could write one of them, or put another in its place. That `runtime.env` itself is guarded, a deploy asks
/// too, and is told apart from this. Blocks.
pub(super) fn faults(settings: &Settings, env_file: Option<&Path>) -> Vec<FileFault> {
    let runtime_env = NamedPath::new("RUNTIME_ENV_FILE", &settings.runtime.env_file);
    let files = files(settings, env_file);
    // What is missing, or is no file, whoever needs it tells.
    let files = files.iter().filter(|file| file.path.is_file());
    let mut faults: Vec<FileFault> = files
        .filter_map(|file| guarded(file).and_then(|()| directories_guarded(file)).err())
        .collect();
    if guarded(&runtime_env).is_ok() {
        faults.extend(directories_guarded(&runtime_env).err());
    }
    faults
}

fn files(settings: &Settings, env_file: Option<&Path>) -> Vec<NamedPath> {
    let mut files = Vec::new();
    if let Some(path) = env_file {
        files.push(NamedPath::new("the settings file", path));
        // The unit hands a copy of it on.
        if path == settings_file(settings.environment) {
            let login = registry_login(settings.environment);
            files.push(NamedPath::new("the registry login", login));
        }
    }
    let engine = &settings.engine;
    if let Some(directory) = &engine.docker_config {
        files.push(NamedPath::new(
            "DOCKER_CONFIG",
            directory.join("config.json"),
        ));
    }
    if let Some(directory) = &engine.tls_directory {
        let paths = TLS_FILES.map(|name| directory.join(name));
        files.extend(paths.map(|path| NamedPath::new("DOCKER_CERT_PATH", path)));
    }
    let keys = settings.signatures.keys.iter();
    files.extend(keys.map(|key| NamedPath::new("SIGNATURE_KEYS", key.path())));
    // A file of keys may hold several.
    files.dedup();
    files
}
