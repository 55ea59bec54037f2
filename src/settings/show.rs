//! The effective settings as `check` prints them, secrets blanked.

use std::fmt;

use super::{Confirm, Settings};

impl fmt::Display for Settings {
    /// One `VARIABLE=value` line a setting, in the order of the README.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runtime = &self.runtime;
        let operation = &self.operation;
        let confirm = match operation.confirm {
            Confirm::Running => "running",
            Confirm::Healthy => "healthy",
        };
        let path = |path: &std::path::Path| path.display().to_string();
        let lines = [
            ("ENVIRONMENT", self.environment.to_string()),
            ("CONTAINER_NAME", runtime.container_name.to_string()),
            ("PORT", self.port.to_string()),
            ("AUDIT_EVENTS_PATH", path(&runtime.audit_events)),
            ("SNAPSHOTS_PATH", path(&runtime.snapshots)),
            ("ALLOW_EXECUTION_PLANE", runtime.allowed_planes.to_string()),
            ("RUNTIME_ENV_FILE", path(&runtime.env_file)),
            ("STATE_DIRECTORY", path(&self.state_directory)),
            ("IMAGE_REPOSITORY", runtime.repository.as_str().to_owned()),
            (
                "DOCKER_HOST",
                self.engine
                    .docker_host
                    .clone()
                    .unwrap_or_else(|| "(default socket)".into()),
            ),
            (
                "DOCKER_CONFIG",
                self.engine
                    .docker_config
                    .as_deref()
                    .map_or_else(|| "(none)".into(), path),
            ),
            ("RUNTIME_NETWORK", runtime.network.clone()),
            (
                "RUNTIME_RESTART_POLICY",
                runtime.restart_policy.as_str().to_owned(),
            ),
            ("RUNTIME_INIT", runtime.init.to_string()),
            (
                "STOP_GRACE_SECONDS",
                operation.stop_grace.as_secs().to_string(),
            ),
            (
                "START_CONFIRMATION_SECONDS",
                operation.start_confirmation.as_secs().to_string(),
            ),
            ("START_CONFIRMATION", confirm.to_owned()),
            (
                "OPERATION_BUDGET_SECONDS",
                operation.budget.as_secs().to_string(),
            ),
            (
                "STATUS_MAX_AGE_SECONDS",
                self.status_max_age.as_secs().to_string(),
            ),
            ("QUEUE_CAPACITY", self.queue_capacity.to_string()),
            (
                "ALLOW_MUTABLE_TAGS",
                operation.allow_mutable_tags.to_string(),
            ),
            ("CF_ACCESS_*", self.access.describe()),
        ];
        lines
            .iter()
            .try_for_each(|(variable, value)| writeln!(f, "{variable}={value}"))
    }
}
