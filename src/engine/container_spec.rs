//! What a new container is made of, as the trail fingerprints it and as the engine is asked for it.

use std::collections::HashMap;
use std::path::PathBuf;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType,
    RestartPolicy as EnginePolicy, RestartPolicyNameEnum,
};

use super::pull::PulledImage;
use crate::settings::{Limits, LogBounds, RestartPolicy, shown_init};

/// Where the runtime finds its audit events.
pub(super) const AUDIT_EVENTS_TARGET: &str = "/var/lib/dreichor/audit-events";
/// Where the runtime finds its snapshots.
pub(super) const SNAPSHOTS_TARGET: &str = "/var/lib/dreichor/snapshots";
/// With it, a container on the host's network reads whatever passes the loopback, the agents' tokens among it.
const DROPPED_CAPABILITY: &str = "NET_RAW";
/// No program in the container gets more rights than the first one has, whatever is set-uid in the image. This
/// spelling is taken by every engine; the one with a colon is deprecated.
const SECURITY_OPTION: &str = "no-new-privileges";
/// What a stop begins with, whatever the image asks for.
pub(super) const STOP_SIGNAL: &str = "SIGTERM";

/// The label that says the reference as it was asked for.
const REFERENCE_LABEL: &str = "dreichor.deploy-agent.reference";

/// What a new container is made of, all of it owned by the server.
#[derive(Clone)]
pub struct ContainerSpec {
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// Bound to `/var/lib/dreichor/audit-events`.
    pub audit_events: PathBuf,
    /// Bound to `/var/lib/dreichor/snapshots`.
    pub snapshots: PathBuf,
    /// Docker network mode.
    pub network: String,
    /// Docker restart policy.
    pub restart_policy: RestartPolicy,
    /// Whether Docker's init runs as PID 1; none leaves it to the engine's own setting.
    pub init: Option<bool>,
    /// Its log; none leaves it to the engine's own settings.
    pub log: Option<ContainerLog>,
    /// The most that it may use.
    pub limits: Limits,
    /// Says who made it.
    pub labels: HashMap<String, String>,
}

/// A log in files of bounded size and number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLog {
    /// The engine's default driver, one that writes files.
    pub driver: String,
    /// Of these files.
    pub bounds: LogBounds,
}

impl ContainerSpec {
    /// What the server decides about the container, by name; the environment of the runtime is not among it.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        // To the last field, so that a new one which the fingerprint leaves out does not compile. The variables have a
        // fingerprint of their own, and labels only say who made it.
        let Self {
            environment: _,
            audit_events,
            snapshots,
            network,
            restart_policy,
            init,
            log,
            limits,
            labels: _,
        } = self;
        let log = log.as_ref().map(ContainerLog::options);
        let mut settings = vec![
            ("AUDIT_EVENTS_PATH", audit_events.display().to_string()),
            ("SNAPSHOTS_PATH", snapshots.display().to_string()),
            ("RUNTIME_NETWORK", network.clone()),
            ("RUNTIME_RESTART_POLICY", restart_policy.as_str().to_owned()),
            ("RUNTIME_INIT", shown_init(*init)),
            ("LogConfig", format!("{log:?}")),
            ("CapDrop", DROPPED_CAPABILITY.to_owned()),
            ("SecurityOpt", SECURITY_OPTION.to_owned()),
            ("StopSignal", STOP_SIGNAL.to_owned()),
        ];
        settings.extend(limits.lines());
        settings
    }

    /// The body of the create call.
    pub(super) fn create_body(self, image: &PulledImage) -> ContainerCreateBody {
        let Self {
            environment,
            audit_events,
            snapshots,
            network,
            restart_policy,
            init,
            log,
            limits,
            labels,
        } = self;
        let mut labels = labels;
        let reference = image.reference.as_str().to_owned();
        labels.insert(REFERENCE_LABEL.to_owned(), reference);
        ContainerCreateBody {
            image: Some(image.by_digest()),
            env: Some(environment),
            labels: Some(labels),
            stop_signal: Some(STOP_SIGNAL.to_owned()),
            host_config: Some(HostConfig {
                mounts: Some(vec![
                    bind(audit_events, AUDIT_EVENTS_TARGET),
                    bind(snapshots, SNAPSHOTS_TARGET),
                ]),
                network_mode: Some(network),
                restart_policy: Some(EnginePolicy {
                    name: Some(policy(restart_policy)),
                    maximum_retry_count: None,
                }),
                init,
                log_config: log.as_ref().map(ContainerLog::config),
                cap_drop: Some(vec![DROPPED_CAPABILITY.to_owned()]),
                security_opt: Some(vec![SECURITY_OPTION.to_owned()]),
                memory: limits.memory.map(signed),
                nano_cpus: limits.nano_cpus.map(signed),
                pids_limit: limits.pids.map(signed),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }
}

impl ContainerLog {
    /// The driver and its options, in order.
    fn options(&self) -> Vec<(&'static str, String)> {
        let Self {
            driver,
            bounds: LogBounds {
                max_size,
                max_files,
            },
        } = self;
        let mut options = vec![
            ("driver", driver.clone()),
            ("max-size", max_size.clone()),
            ("max-file", max_files.to_string()),
        ];
        if *max_files == 1 {
            // There is nothing to compress then, and an engine that is set to compress refuses the container.
            options.push(("compress", "false".to_owned()));
        }
        options
    }

    fn config(&self) -> HostConfigLogConfig {
        let options = self.options().into_iter().skip(1);
        HostConfigLogConfig {
            typ: Some(self.driver.clone()),
            config: Some(
                options
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            ),
        }
    }
}

/// `Mounts` and not `Binds`: the engine would make a missing `Binds` source as an empty directory of root.
fn bind(source: PathBuf, target: &str) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_string_lossy().into_owned()),
        target: Some(target.to_owned()),
        read_only: Some(false),
        ..Mount::default()
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn policy(policy: RestartPolicy) -> RestartPolicyNameEnum {
    match policy {
        RestartPolicy::No => RestartPolicyNameEnum::NO,
        RestartPolicy::Always => RestartPolicyNameEnum::ALWAYS,
        RestartPolicy::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
        RestartPolicy::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
    }
}
