//! `listen.conf`, the drop-in of the socket unit: what systemd holds for an agent of these settings. The installer writes it
//! as it is printed here; `check` tells when it is not of the settings any more.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::container_lock::abstract_name;
use crate::domain::Environment;
use crate::settings::Settings;

/// Where an administrator's units are.
const UNITS: &str = "/etc/systemd/system";
/// What a line of an address begins with.
const LISTEN: &str = "ListenStream=";

/// Where the installer puts the drop-in.
pub(super) fn installed(environment: Environment) -> PathBuf {
    PathBuf::from(format!(
        "{UNITS}/dreichor-deploy-agent@{environment}.socket.d/listen.conf"
    ))
}

/// The drop-in's text.
pub(super) fn drop_in(settings: &Settings) -> String {
    let [port, lock] = addresses(settings);
    format!(
        "# From PORT and CONTAINER_NAME; written by dreichor-deploy-agent-setup install.\n\
         [Socket]\n{LISTEN}\n{LISTEN}{port}\n{LISTEN}{lock}\n"
    )
}

/// Checks that a drop-in is of these settings. Where there is none, the agent listens by itself.
///
/// # Errors
/// A sentence that names the settings, the drop-in and what to run.
pub(super) fn agrees(file: &Path, settings: &Settings) -> Result<(), String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("PORT: {} cannot be read: {error}", file.display())),
    };
    let lines = text.lines().filter_map(|line| line.strip_prefix(LISTEN));
    let held: Vec<&str> = lines.filter(|address| !address.is_empty()).collect();
    if held == addresses(settings) {
        return Ok(());
    }
    let (port, name) = (settings.port, &settings.runtime.container_name);
    Err(format!(
        "PORT {port} and CONTAINER_NAME {name} are not what the socket unit holds ({}, by {}): \
         dreichor-deploy-agent-setup install {} sets it up for them",
        held.join(" and "),
        file.display(),
        settings.environment
    ))
}

/// The API's port and the lock of the container, as the unit names them.
fn addresses(settings: &Settings) -> [String; 2] {
    let lock = abstract_name(&settings.runtime.container_name);
    [format!("127.0.0.1:{}", settings.port), format!("@{lock}")]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn settings(port: &str, name: &str) -> Settings {
        let directory = std::env::temp_dir();
        let at = |inside: &str| directory.join(inside).display().to_string();
        let variables = [
            ("ENVIRONMENT", "dev".to_owned()),
            ("CONTAINER_NAME", name.to_owned()),
            ("AUDIT_EVENTS_PATH", at("audit-events")),
            ("SNAPSHOTS_PATH", at("snapshots")),
            ("ALLOW_EXECUTION_PLANE", "paper".to_owned()),
            ("PORT", port.to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        Settings::from_variables(HashMap::from(variables)).expect("valid")
    }

    #[test]
    fn the_drop_in_of_other_settings_is_named_with_what_mends_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("listen.conf");
        let own = settings("3005", "runtime-dev");
        assert_eq!(agrees(&file, &own), Ok(()), "there may be none");
        std::fs::write(&file, drop_in(&own)).expect("written");
        assert_eq!(agrees(&file, &own), Ok(()));
        for other in [
            settings("3007", "runtime-dev"),
            settings("3005", "other-dev"),
        ] {
            let said = agrees(&file, &other).expect_err("another's");
            for part in [
                other.port.to_string().as_str(),
                other.runtime.container_name.as_str(),
                "127.0.0.1:3005 and @dreichor-deploy-agent/runtime-dev",
                "dreichor-deploy-agent-setup install dev",
            ] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
        std::fs::remove_file(&file).expect("removed");
        std::fs::create_dir(&file).expect("made");
        assert!(
            agrees(&file, &own).is_err(),
            "what cannot be read is no agreement"
        );
    }
}
