//! What an image's configuration says of the container that is made of it.

use bollard::models::{HealthConfig, ImageConfig as EngineConfig};

/// The configuration of an image, as far as it decides whether its container can run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// `NAME=value`, or whatever stands in the place of it.
    pub env: Vec<String>,
    /// What tells how its process does.
    pub health_check: Option<HealthCheck>,
}

/// A HEALTHCHECK that the engine runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthCheck {}

impl ImageConfig {
    pub(super) fn of(config: EngineConfig) -> Self {
        Self {
            env: config.env.unwrap_or_default(),
            health_check: config.healthcheck.and_then(HealthCheck::of),
        }
    }
}

impl HealthCheck {
    /// None for `NONE`, for what inherits nothing, and for words that engines pass over.
    fn of(check: HealthConfig) -> Option<Self> {
        let test = check.test.unwrap_or_default();
        let runs = matches!(test.first()?.as_str(), "CMD" | "CMD-SHELL");
        runs.then(Self::default)
    }
}
