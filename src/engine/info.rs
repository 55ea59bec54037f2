//! What the engine says of itself before a deploy: its platform, its log driver, which limits it can keep.

use bollard::models::{SystemInfo, SystemVersion};
use futures_util::future::try_join;

use super::container_spec::ContainerLog;
use super::error::{EngineError, EngineFault};
use super::{Engine, Platform, ask};
use crate::settings::{Limits, LogBounds};

/// The log drivers whose files are bounded by `max-size` and `max-file`; others refuse these options.
const FILE_DRIVERS: [&str; 2] = ["json-file", "local"];

/// One answer of the engine about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// What images must be built for.
    pub platform: Platform,
    /// The driver of containers that name none.
    log_driver: String,
    /// CPUs of its host, if it says how many.
    cpus: Option<u64>,
    can_limit_memory: bool,
    can_limit_cpus: bool,
    can_limit_pids: bool,
}

impl Engine {
    /// Asks the engine for its platform, its log driver and the limits it can keep; proves that it answers.
    ///
    /// # Errors
    /// The engine is unreachable, or does not answer within [`super::INSPECT_DEADLINE`], or does not say what was asked.
    pub async fn info(&self) -> Result<EngineInfo, EngineError> {
        // It starts programs to tell either: both at once take no longer than one.
        let (version, info) =
            try_join(ask(self.client()?.version()), ask(self.client()?.info())).await?;
        EngineInfo::of(version, info).ok_or_else(|| {
            EngineError::without_effect(EngineFault::Unproven(
                "the Docker engine does not say its platform and its log driver".into(),
            ))
        })
    }
}

impl EngineInfo {
    fn of(version: SystemVersion, info: SystemInfo) -> Option<Self> {
        let able = |ability: Option<bool>| ability.unwrap_or(false);
        Some(Self {
            platform: Platform {
                os: version.os?,
                architecture: version.arch?,
            },
            log_driver: info.logging_driver?,
            cpus: info.ncpu.and_then(|cpus| u64::try_from(cpus).ok()),
            can_limit_memory: able(info.memory_limit),
            can_limit_cpus: able(info.cpu_cfs_quota),
            can_limit_pids: able(info.pids_limit),
        })
    }

    /// The log of a new container: bounded where the engine's driver writes files, and otherwise the engine's own.
    #[must_use]
    pub fn container_log(&self, bounds: &LogBounds) -> Option<ContainerLog> {
        FILE_DRIVERS
            .contains(&self.log_driver.as_str())
            .then(|| ContainerLog {
                driver: self.log_driver.clone(),
                bounds: bounds.clone(),
            })
    }

    /// The same in words: `json-file, at most 3 files of 10m`.
    #[must_use]
    pub fn container_log_in_words(&self, bounds: &LogBounds) -> String {
        let driver = &self.log_driver;
        match self.container_log(bounds) {
            Some(_) => format!(
                "{driver}, at most {} files of {}",
                bounds.max_files, bounds.max_size
            ),
            None => format!(
                "{driver}, bounded by the engine's own settings: RUNTIME_LOG_MAX_SIZE and RUNTIME_LOG_MAX_FILES are not for it"
            ),
        }
    }

    /// Why this engine would refuse one of the limits, or drop it without a word; names the variable.
    ///
    /// # Errors
    /// A sentence.
    pub fn can_keep(&self, limits: &Limits) -> Result<(), String> {
        let Limits {
            memory,
            nano_cpus,
            pids,
        } = limits;
        for (variable, asked, able) in [
            ("RUNTIME_MEMORY", memory.is_some(), self.can_limit_memory),
            ("RUNTIME_CPUS", nano_cpus.is_some(), self.can_limit_cpus),
            ("RUNTIME_PIDS", pids.is_some(), self.can_limit_pids),
        ] {
            if asked && !able {
                return Err(format!(
                    "{variable} is set, and the Docker engine says that its host cannot keep such a limit"
                ));
            }
        }
        let most = self.cpus.and_then(|cpus| cpus.checked_mul(1_000_000_000));
        match (nano_cpus, most, self.cpus) {
            (Some(asked), Some(most), Some(cpus)) if *asked > most => Err(format!(
                "RUNTIME_CPUS is more than the {cpus} CPUs of the Docker engine's host"
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(log_driver: &str, able: bool) -> EngineInfo {
        let version = SystemVersion {
            os: Some("linux".to_owned()),
            arch: Some("amd64".to_owned()),
            ..SystemVersion::default()
        };
        let info = SystemInfo {
            logging_driver: Some(log_driver.to_owned()),
            ncpu: Some(2),
            memory_limit: Some(able),
            cpu_cfs_quota: Some(able),
            pids_limit: Some(able),
            ..SystemInfo::default()
        };
        EngineInfo::of(version, info).expect("whole")
    }

    #[test]
    fn only_the_log_of_a_driver_that_writes_files_is_bounded() {
        let bounds = LogBounds {
            max_size: "10m".to_owned(),
            max_files: 3,
        };
        for driver in ["json-file", "local"] {
            let log = info(driver, true).container_log(&bounds).expect("bounded");
            assert_eq!((log.driver.as_str(), &log.bounds), (driver, &bounds));
        }
        for driver in ["journald", "syslog", "none", "awslogs"] {
            assert_eq!(info(driver, true).container_log(&bounds), None);
        }
    }

    #[test]
    fn a_limit_that_the_engine_would_refuse_or_drop_is_named() {
        let all = Limits {
            memory: Some(6 << 20),
            nano_cpus: Some(2_000_000_000),
            pids: Some(1),
        };
        assert_eq!(info("local", true).can_keep(&all), Ok(()));
        assert_eq!(info("local", false).can_keep(&Limits::default()), Ok(()));
        for (variable, limits) in [
            (
                "RUNTIME_MEMORY",
                Limits {
                    memory: all.memory,
                    ..Limits::default()
                },
            ),
            (
                "RUNTIME_CPUS",
                Limits {
                    nano_cpus: all.nano_cpus,
                    ..Limits::default()
                },
            ),
            (
                "RUNTIME_PIDS",
                Limits {
                    pids: all.pids,
                    ..Limits::default()
                },
            ),
        ] {
            let refused = info("local", false).can_keep(&limits).expect_err(variable);
            assert!(refused.starts_with(variable), "{refused}");
        }
        let more = Limits {
            nano_cpus: Some(2_000_000_001),
            ..Limits::default()
        };
        let refused = info("local", true).can_keep(&more).expect_err("too many");
        assert!(refused.contains("2 CPUs"), "{refused}");
    }
}
