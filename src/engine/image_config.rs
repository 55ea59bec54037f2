//! What an image brings for its container: command, variables, user, volumes, health check.

use std::time::Duration;

use bollard::models::{HealthConfig, ImageConfig as EngineConfig};

/// Without an interval of its own an image is probed this often.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// The same inside its start period, on engines that know one.
const DEFAULT_START_INTERVAL: Duration = Duration::from_secs(5);

/// An image's own configuration, as far as a container could fail by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Entrypoint and command, in this order.
    pub command: Vec<String>,
    /// `NAME=value`.
    pub variables: Vec<String>,
    /// `user[:group]`, names or numbers; empty for root.
    pub user: String,
    /// Paths of its volumes.
    pub volumes: Vec<String>,
    /// None without a HEALTHCHECK.
    pub health_check: Option<HealthCheck>,
}

/// When an image is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthCheck {
    /// Between probes; the first comes that long after the start.
    pub interval: Duration,
    /// The same inside the start period; none without a start period.
    pub start_interval: Option<Duration>,
}

impl ImageConfig {
    pub(super) fn of(config: EngineConfig) -> Self {
        let mut command = config.entrypoint.unwrap_or_default();
        command.extend(config.cmd.unwrap_or_default());
        Self {
            command,
            variables: config.env.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            volumes: config.volumes.unwrap_or_default(),
            health_check: config.healthcheck.and_then(HealthCheck::of),
        }
    }
}

impl HealthCheck {
    fn of(config: HealthConfig) -> Option<Self> {
        let test = config.test?;
        if test.first().is_none_or(|word| word == "NONE") {
            return None;
        }
        // Zero and nothing both mean the default.
        let nanos = |nanos: Option<i64>| {
            let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok());
            nanos
                .filter(|nanos| *nanos > 0)
                .map(Duration::from_nanos)
        };
        Some(Self {
            interval: nanos(config.interval).unwrap_or(DEFAULT_INTERVAL),
            start_interval: nanos(config.start_period)
                .map(|_| nanos(config.start_interval).unwrap_or(DEFAULT_START_INTERVAL)),
        })
    }

    /// How long after the start the first verdict can come at the earliest. Engines before API 1.44 know no start
    /// interval.
    #[must_use]
    pub fn first_probe(&self, knows_start_interval: bool) -> Duration {
        match self.start_interval.filter(|_| knows_start_interval) {
            Some(start) => start.min(self.interval),
            None => self.interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(test: &str, config: HealthConfig) -> Option<HealthCheck> {
        HealthCheck::of(HealthConfig {
            test: Some(vec![test.to_owned(), "/check".to_owned()]),
            ..config
        })
    }

    #[test]
    fn the_first_probe_comes_after_an_interval_or_a_start_interval() {
        let seconds = |n: i64| Some(n * 1_000_000_000);
        assert_eq!(check("NONE", HealthConfig::default()), None);
        let plain = check("CMD", HealthConfig::default()).expect("a check");
        assert_eq!(plain.first_probe(true), DEFAULT_INTERVAL);
        let zero = HealthConfig {
            interval: Some(0),
            ..HealthConfig::default()
        };
        assert_eq!(check("CMD", zero), Some(plain));
        let starting = HealthConfig {
            interval: seconds(10),
            start_period: seconds(60),
            start_interval: seconds(1),
            ..HealthConfig::default()
        };
        let starting = check("CMD-SHELL", starting).expect("a check");
        assert_eq!(starting.first_probe(true), Duration::from_secs(1));
        assert_eq!(starting.first_probe(false), Duration::from_secs(10));
    }
}
