//! The settings of the runtime container.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use super::container::{Limits, LogBounds};
use super::reader::{Reader, absolute};
use crate::domain::{AllowedPlanes, ContainerName, DEFAULT_REPOSITORY, Environment, Repository};

/// What the runtime container is made of, all of it owned by the server.
#[derive(Debug, Clone)]
pub struct RuntimeSettings {
    /// The fixed name.
    pub container_name: ContainerName,
    /// The one repository that is allowed.
    pub repository: Repository,
    /// Host directory bound to `/var/lib/dreichor/audit-events`.
    pub audit_events: PathBuf,
    /// Host directory bound to `/var/lib/dreichor/snapshots`.
    pub snapshots: PathBuf,
    /// The runtime's environment file, read afresh at each deploy.
    pub env_file: PathBuf,
    /// Planes that `runtime.env` may name.
    pub allowed_planes: AllowedPlanes,
    /// Docker network mode.
    pub network: String,
    /// Docker restart policy.
    pub restart_policy: RestartPolicy,
    /// Whether Docker's init runs as PID 1; none leaves it to the engine's own setting.
    pub init: Option<bool>,
    /// How much of its output is kept.
    pub log: LogBounds,
    /// The most that it may use.
    pub limits: Limits,
}

/// Docker's restart policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Never.
    No,
    /// Always, after a stop and an engine restart too.
    Always,
    /// Always but after a stop.
    UnlessStopped,
    /// On a non-zero exit, without a bound.
    OnFailure,
}

impl RestartPolicy {
    /// The name as Docker writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure => "on-failure",
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let all = [Self::No, Self::Always, Self::UnlessStopped, Self::OnFailure];
        let found = all.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or("must be no, always, unless-stopped or on-failure")
    }
}

impl RuntimeSettings {
    /// `root` is the directory of the environment on the host, for the defaults. Without a known `environment` there is
    /// no suffix to ask of the container's name; the problem of ENVIRONMENT is told already.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        environment: Option<Environment>,
        root: &Path,
    ) -> Option<Self> {
        let container_name = match environment {
            Some(environment) => reader.required("CONTAINER_NAME", |text| {
                ContainerName::parse(text, environment)
            }),
            None => {
                reader.required("CONTAINER_NAME", |_| Ok::<_, Infallible>(()));
                None
            }
        };
        let audit_events = reader.required("AUDIT_EVENTS_PATH", absolute);
        let snapshots = reader.required("SNAPSHOTS_PATH", absolute);
        let allowed_planes = reader.required("ALLOW_EXECUTION_PLANE", AllowedPlanes::parse);
        let default = Repository::parse(DEFAULT_REPOSITORY)
            .expect("the default repository is valid: a test parses it");
        let repository = reader.or("IMAGE_REPOSITORY", default, Repository::parse);
        let env_file = reader.path("RUNTIME_ENV_FILE", root.join("runtime.env"));
        let network = reader.or("RUNTIME_NETWORK", "host".to_owned(), network_mode);
        let restart_policy = reader.or(
            "RUNTIME_RESTART_POLICY",
            RestartPolicy::UnlessStopped,
            RestartPolicy::parse,
        );
        let init = reader.or("RUNTIME_INIT", None, |text| {
            text.parse().map(Some).map_err(|_| "must be true or false")
        });
        let (log, limits) = (LogBounds::read(reader), Limits::read(reader));
        Some(Self {
            container_name: container_name?,
            repository,
            audit_events: audit_events?,
            snapshots: snapshots?,
            env_file,
            allowed_planes: allowed_planes?,
            network,
            restart_policy,
            init,
            log,
            limits,
        })
    }
}

/// Docker's own modes, or the name of a network. Another container's network would tie the runtime to it.
fn network_mode(text: &str) -> Result<String, &'static str> {
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let valid = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if starts && valid {
        Ok(text.to_owned())
    } else {
        Err("must be host, bridge, none or the name of a Docker network")
    }
}
