//! The effective settings as `check` prints them, without secrets, and as the trail's fingerprint covers them.

use std::fmt;
use std::path::Path;

use super::container::{LogBounds, shown_init};
use super::engine::{EngineAddress, EngineSettings};
use super::load::Settings;
use super::operation::OperationSettings;
use super::runtime::RuntimeSettings;
use crate::signature::{PinnedKey, SignatureSettings};

impl fmt::Display for Settings {
    /// One `VARIABLE=value` line a setting, in the order of the pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines()
            .iter()
            .try_for_each(|(variable, value)| writeln!(f, "{variable}={value}"))
    }
}

impl Settings {
    /// What tells two sets of settings apart, secrets among it: for a keyed fingerprint and for nothing else.
    #[must_use]
    pub fn fingerprinted(&self) -> String {
        let docker_host = self.engine.docker_host.as_ref();
        let docker_host = docker_host.map_or("", EngineAddress::with_password);
        format!("{self}{docker_host}\n{}", self.access.fingerprinted())
    }

    /// Taken apart to the last field, so that a new setting which is not shown does not compile.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let Self {
            environment,
            port,
            access,
            runtime,
            signatures,
            proxy,
            engine,
            operation,
            status_max_age,
            queue_capacity,
            state_directory,
            // Made of the others.
            host_paths: _,
            metrics_file,
            log_filter,
        } = self;
        let mut lines = vec![
            ("ENVIRONMENT", environment.to_string()),
            ("PORT", port.to_string()),
            ("STATE_DIRECTORY", path(state_directory)),
        ];
        lines.extend(runtime_lines(runtime));
        lines.extend(engine_lines(engine));
        lines.extend(operation_lines(operation));
        lines.extend(signature_lines(signatures));
        lines.extend(proxy.lines());
        lines.extend([
            (
                "STATUS_MAX_AGE_SECONDS",
                status_max_age.as_secs().to_string(),
            ),
            ("QUEUE_CAPACITY", queue_capacity.to_string()),
            (
                "METRICS_FILE",
                metrics_file.as_deref().map_or("(none)".into(), path),
            ),
            ("CF_ACCESS_*", access.describe()),
            (
                "RUST_LOG",
                log_filter.clone().unwrap_or_else(|| "info".into()),
            ),
        ]);
        lines
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn runtime_lines(settings: &RuntimeSettings) -> Vec<(&'static str, String)> {
    let RuntimeSettings {
        container_name,
        repository,
        audit_events,
        snapshots,
        env_file,
        allowed_planes,
        network,
        restart_policy,
        init,
        log: LogBounds {
            max_size,
            max_files,
        },
        limits,
    } = settings;
    let mut lines = vec![
        ("CONTAINER_NAME", container_name.to_string()),
        ("AUDIT_EVENTS_PATH", path(audit_events)),
        ("SNAPSHOTS_PATH", path(snapshots)),
        ("ALLOW_EXECUTION_PLANE", allowed_planes.to_string()),
        ("RUNTIME_ENV_FILE", path(env_file)),
        ("IMAGE_REPOSITORY", repository.as_str().to_owned()),
        ("RUNTIME_NETWORK", network.clone()),
        ("RUNTIME_RESTART_POLICY", restart_policy.as_str().to_owned()),
        ("RUNTIME_INIT", shown_init(*init)),
        ("RUNTIME_LOG_MAX_SIZE", max_size.clone()),
        ("RUNTIME_LOG_MAX_FILES", max_files.to_string()),
    ];
    lines.extend(limits.lines());
    lines
}

fn engine_lines(settings: &EngineSettings) -> [(&'static str, String); 4] {
    let EngineSettings {
        docker_host,
        docker_config,
        tls_directory,
        allow_plain_tcp,
    } = settings;
    let or_none =
        |given: &Option<std::path::PathBuf>| given.as_deref().map_or("(none)".into(), path);
    [
        (
            "DOCKER_HOST",
            docker_host
                .as_ref()
                .map_or_else(|| "(default socket)".into(), ToString::to_string),
        ),
        ("DOCKER_CONFIG", or_none(docker_config)),
        ("DOCKER_CERT_PATH", or_none(tls_directory)),
        ("DOCKER_ALLOW_PLAIN_TCP", allow_plain_tcp.to_string()),
    ]
}

fn operation_lines(settings: &OperationSettings) -> [(&'static str, String); 5] {
    let OperationSettings {
        stop_grace,
        start_confirmation,
        confirm,
        budget,
        allow_mutable_tags,
        // Made of another.
        signature_reserve: _,
    } = settings;
    [
        ("STOP_GRACE_SECONDS", stop_grace.as_secs().to_string()),
        (
            "START_CONFIRMATION_SECONDS",
            start_confirmation.as_secs().to_string(),
        ),
        ("START_CONFIRMATION", confirm.as_str().to_owned()),
        ("OPERATION_BUDGET_SECONDS", budget.as_secs().to_string()),
        ("ALLOW_MUTABLE_TAGS", allow_mutable_tags.to_string()),
    ]
}

/// Each key with its fingerprint: what is trusted can be compared with what the pipeline has.
fn signature_lines(settings: &SignatureSettings) -> [(&'static str, String); 2] {
    let SignatureSettings { policy, keys } = settings;
    let shown = |key: &PinnedKey| format!("{} ({})", path(key.path()), key.id());
    let keys: Vec<String> = keys.iter().map(shown).collect();
    let keys = match keys.is_empty() {
        true => "(none)".to_owned(),
        false => keys.join(", "),
    };
    [
        ("SIGNATURE_POLICY", policy.as_str().to_owned()),
        ("SIGNATURE_KEYS", keys),
    ]
}
