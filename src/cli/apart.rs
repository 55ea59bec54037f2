//! What the settings of two environments share: nothing, or they are refused. Everything of the one is compared with
//! everything of the other, as both agents would use it, links and mounts followed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::domain::{Environment, NamedPath};
use crate::operation::relation_on_disk;
use crate::settings::{ENVIRONMENTS, Settings, env_file};

/// What an environment has for itself.
struct Belongings {
    environment: Environment,
    container_name: String,
    port: u16,
    binds: Vec<NamedPath>,
    /// Files of the agent.
    own: Vec<NamedPath>,
    /// Of Docker's client: environments may share them, and no bind of either may hold them.
    docker: Vec<NamedPath>,
}

/// Everything that the settings share with those in the file of the other environment, a sentence each; and whether that
/// file is wrong in itself, so that it was compared as it is written. Without such a file only its directory counts.
pub(super) fn shared(settings: &Settings, file: &Path, other: &Path) -> (Vec<String>, bool) {
    let mine = Belongings::of(settings, file);
    let (theirs, wrong) = match Settings::from_file(other) {
        Ok(settings) => (Belongings::of(&settings, other), false),
        Err(_) => {
            let written = env_file::load(other).map(|file| file.variables);
            let environment = settings.environment.other();
            (
                Belongings::written(environment, &written.unwrap_or_default(), other),
                other.exists(),
            )
        }
    };
    (mine.shared_with(&theirs), wrong)
}

impl Belongings {
    fn of(settings: &Settings, file: &Path) -> Self {
        let runtime = &settings.runtime;
        let named = |name, path: &Path| NamedPath::new(name, path);
        let docker = [
            ("DOCKER_CONFIG", &settings.engine.docker_config),
            ("DOCKER_CERT_PATH", &settings.engine.tls_directory),
        ];
        Self {
            environment: settings.environment,
            container_name: runtime.container_name.to_string(),
            port: settings.port,
            binds: settings.host_paths.binds.clone(),
            own: [
                Some(named("STATE_DIRECTORY", &settings.state_directory)),
                Some(named("RUNTIME_ENV_FILE", &runtime.env_file)),
                Some(named("settings file", file)),
                settings
                    .metrics_file
                    .as_deref()
                    .map(|path| named("METRICS_FILE", path)),
            ]
            .into_iter()
            .flatten()
            .collect(),
            docker: docker
                .into_iter()
                .filter_map(|(name, path)| Some(named(name, path.as_deref()?)))
                .collect(),
        }
    }

    /// Of a file that no agent would start with: what it says, and where it says nothing the defaults.
    fn written(environment: Environment, variables: &HashMap<String, String>, file: &Path) -> Self {
        let value = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let root = Path::new(ENVIRONMENTS).join(environment.as_str());
        let path = |name: &'static str, default: Option<PathBuf>| {
            let path = value(name).map(PathBuf::from).or(default)?;
            path.is_absolute().then(|| NamedPath::new(name, path))
        };
        let port = value("PORT").and_then(|port| port.parse().ok());
        let own = [
            path("STATE_DIRECTORY", Some(root.join("deploy-agent/state"))),
            path("RUNTIME_ENV_FILE", Some(root.join("runtime.env"))),
            Some(NamedPath::new("settings file", file)),
            path("METRICS_FILE", None),
        ];
        let binds = [
            path("AUDIT_EVENTS_PATH", None),
            path("SNAPSHOTS_PATH", None),
        ];
        let docker = [path("DOCKER_CONFIG", None), path("DOCKER_CERT_PATH", None)];
        Self {
            environment,
            container_name: value("CONTAINER_NAME").cloned().unwrap_or_default(),
            port: port.unwrap_or_else(|| environment.default_port()),
            binds: binds.into_iter().flatten().collect(),
            own: own.into_iter().flatten().collect(),
            docker: docker.into_iter().flatten().collect(),
        }
    }

    fn shared_with(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.environment == other.environment {
            found.push(format!("ENVIRONMENT is {} in both files", self.environment));
            return found;
        }
        let theirs = other.environment;
        for (name, mine, others) in [
            (
                "CONTAINER_NAME",
                &self.container_name,
                &other.container_name,
            ),
            ("PORT", &self.port.to_string(), &other.port.to_string()),
        ] {
            if mine == others {
                found.push(format!("{name} {mine} is {theirs}'s {name} as well"));
            }
        }
        let tree = NamedPath::new("directory", Path::new(ENVIRONMENTS).join(theirs.as_str()));
        let tree = std::slice::from_ref(&tree);
        for (mine, others) in [
            (
                &self.binds[..],
                [&other.binds[..], &other.own, &other.docker, tree].concat(),
            ),
            (&self.own[..], [&other.binds[..], &other.own, tree].concat()),
            (&self.docker[..], other.binds.clone()),
        ] {
            found.extend(
                mine.iter()
                    .filter_map(|mine| overlap(mine, &others, theirs)),
            );
        }
        found
    }
}

/// The first is enough to act on.
fn overlap(mine: &NamedPath, others: &[NamedPath], theirs: Environment) -> Option<String> {
    others.iter().find_map(|other| {
        let relation = relation_on_disk(mine, other)?;
        let (path, others) = (mine.path.display(), other.path.display());
        Some(format!(
            "{} {path} {relation} {others}, {theirs}'s {}: environments share nothing, so give each its own",
            mine.name, other.name
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pair {
        directory: tempfile::TempDir,
    }

    impl Pair {
        fn new() -> Self {
            let pair = Self {
                directory: tempfile::tempdir().expect("a directory"),
            };
            for environment in ["dev", "prod"] {
                for made in ["state", "audit", "snapshots"] {
                    std::fs::create_dir_all(pair.path(&format!("{environment}/{made}")))
                        .expect("made");
                }
                std::fs::write(pair.path(&format!("{environment}/runtime.env")), "")
                    .expect("written");
                pair.write(environment, "");
            }
            pair
        }

        fn path(&self, inside: &str) -> PathBuf {
            self.directory.path().join(inside)
        }

        /// Whole settings, and a line that overrides one of them.
        fn write(&self, environment: &str, line: &str) {
            let at = |inside: &str| {
                self.path(&format!("{environment}/{inside}"))
                    .display()
                    .to_string()
            };
            let text = format!(
                "ENVIRONMENT={environment}\nCONTAINER_NAME=runtime-{environment}\nALLOW_EXECUTION_PLANE=paper\n\
                 AUDIT_EVENTS_PATH={}\nSNAPSHOTS_PATH={}\nSTATE_DIRECTORY={}\nRUNTIME_ENV_FILE={}\nDOCKER_CONFIG={}\n{line}\n",
                at("audit"),
                at("snapshots"),
                at("state"),
                at("runtime.env"),
                self.path("docker").display()
            );
            std::fs::write(self.path(&format!("{environment}.env")), text).expect("written");
        }

        fn shared(&self) -> (Vec<String>, bool) {
            let (mine, other) = (self.path("prod.env"), self.path("dev.env"));
            shared(&Settings::from_file(&mine).expect("valid"), &mine, &other)
        }
    }

    #[test]
    fn what_two_environments_share_is_named_whichever_way_it_is_shared() {
        let pair = Pair::new();
        assert_eq!(
            pair.shared(),
            (Vec::new(), false),
            "a login may be one for both"
        );
        let at = |inside: &str| pair.path(inside).display().to_string();
        std::os::unix::fs::symlink(pair.path("dev"), pair.path("link")).expect("linked");
        std::os::unix::fs::symlink(pair.path("dev/state"), pair.path("prod/to-state"))
            .expect("linked");
        std::fs::hard_link(pair.path("dev/runtime.env"), pair.path("prod/hard.env"))
            .expect("linked");
        for (line, named) in [
            ("PORT=3005".to_owned(), "PORT 3005 is dev's"),
            (
                format!("AUDIT_EVENTS_PATH={}", at("dev/snapshots")),
                "dev's SNAPSHOTS_PATH",
            ),
            (
                format!("SNAPSHOTS_PATH={}", at("dev/state/inside")),
                "lies in",
            ),
            (format!("SNAPSHOTS_PATH={}", at("dev")), "contains"),
            (
                format!("STATE_DIRECTORY={}", at("dev/audit/state")),
                "dev's AUDIT_EVENTS_PATH",
            ),
            (
                format!("STATE_DIRECTORY={}", at("link/state")),
                "dev's STATE_DIRECTORY",
            ),
            (
                format!("STATE_DIRECTORY={}", at("prod/to-state")),
                "dev's STATE_DIRECTORY",
            ),
            (
                format!("RUNTIME_ENV_FILE={}", at("dev/audit/runtime.env")),
                "dev's AUDIT_EVENTS_PATH",
            ),
            (
                format!("RUNTIME_ENV_FILE={}", at("prod/hard.env")),
                "dev's RUNTIME_ENV_FILE",
            ),
            (
                format!("RUNTIME_ENV_FILE={}", at("dev.env")),
                "dev's settings file",
            ),
            (
                format!("DOCKER_CONFIG={}", at("dev/audit")),
                "dev's AUDIT_EVENTS_PATH",
            ),
        ] {
            pair.write("prod", &line);
            let (said, wrong) = pair.shared();
            assert!(!wrong);
            let variable = line.split('=').next().expect("a name");
            assert!(
                said.iter()
                    .any(|said| said.starts_with(variable) && said.contains(named)),
                "{line}: {said:?}"
            );
        }
    }

    #[test]
    fn settings_of_the_other_environment_that_are_wrong_in_themselves_are_compared_as_written() {
        let pair = Pair::new();
        pair.write(
            "dev",
            &format!(
                "export X=1\nQUEUE_CAPACITY=many\nSNAPSHOTS_PATH={}",
                pair.path("prod/audit").display()
            ),
        );
        let (said, wrong) = pair.shared();
        assert!(
            wrong && said.len() == 1 && said[0].contains("dev's SNAPSHOTS_PATH"),
            "{said:?}"
        );
        std::fs::remove_file(pair.path("dev.env")).expect("removed");
        assert_eq!(
            pair.shared(),
            (Vec::new(), false),
            "there may be no other environment"
        );
    }

    #[test]
    fn the_same_environment_twice_is_refused() {
        let pair = Pair::new();
        std::fs::copy(pair.path("prod.env"), pair.path("dev.env")).expect("copied");
        assert_eq!(pair.shared().0, ["ENVIRONMENT is prod in both files"]);
    }
}
