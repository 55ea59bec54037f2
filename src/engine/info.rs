//! What the engine says of itself before a deploy: its platform, its log driver, which limits it can keep.

use bollard::models::{SystemInfo, SystemVersion};
use futures_util::future::join;

use super::about::EngineAbout;
use super::container_spec::ContainerLog;
use super::error::{EngineError, EngineFault};
use super::version::{has_start_interval, keeps_unfinished_pulls, other_engine};
use super::{Engine, Platform, ask};
use crate::settings::{Limits, LogBounds, RuntimeSettings};

/// The log drivers whose files are bounded by `max-size` and `max-file`; others refuse these options.
const FILE_DRIVERS: [&str; 2] = ["json-file", "local"];

/// One answer of the engine about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// What images must be built for.
    pub platform: Platform,
    /// Where it keeps images and containers, on its own host.
    pub root_directory: Option<String>,
    /// Whether what came of a pull that was given up is there for the next one.
    pub keeps_unfinished_pulls: bool,
    /// Whether it heeds an interval of the start period in health checks.
    pub has_start_interval: bool,
    /// What it is, for people.
    pub about: EngineAbout,
    /// Users of containers are others on the host.
    remaps_users: bool,
    /// Its init did not tell its version.
    init_is_missing: bool,
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
        let client = self.client()?;
        let (version, info) = join(ask(client.version()), ask(client.info())).await;
        let version = version?;
        if let Some(other) = other_engine(&version) {
            return Err(unproven(format!(
                "{other} answers there, which is no Docker Engine: its pulls do not say what they pulled"
            )));
        }
        EngineInfo::of(version, info?).ok_or_else(|| {
            unproven("the Docker engine does not say its platform and its log driver".to_owned())
        })
    }
}

impl EngineInfo {
    fn of(version: SystemVersion, info: SystemInfo) -> Option<Self> {
        let about = EngineAbout::of(&version, &info);
        let able = |ability: Option<bool>| ability.unwrap_or(false);
        let security = info.security_options.unwrap_or_default();
        let init = info.init_commit.and_then(|commit| commit.id);
        Some(Self {
            about,
            root_directory: info.docker_root_dir.filter(|path| path.starts_with('/')),
            keeps_unfinished_pulls: keeps_unfinished_pulls(info.driver_status.as_deref()),
            has_start_interval: has_start_interval(&version),
            remaps_users: security.iter().any(|option| option == "name=userns"),
            init_is_missing: init.as_deref() == Some("N/A"),
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

    /// Why this engine would refuse the container, or drop a part of it without a word; each names the variable.
    pub fn problems(&self, runtime: &RuntimeSettings) -> impl Iterator<Item = String> {
        [
            self.about.too_old(),
            self.limit_problem(&runtime.limits),
            self.network_mode_problem(&runtime.network),
            self.init_problem(runtime.init),
        ]
        .into_iter()
        .flatten()
    }

    fn limit_problem(&self, limits: &Limits) -> Option<String> {
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
                return Some(format!(
                    "{variable} is set, and the Docker engine says that its host cannot keep such a limit"
                ));
            }
        }
        let (asked, cpus) = ((*nano_cpus)?, self.cpus?);
        let most = cpus.checked_mul(1_000_000_000)?;
        (asked > most).then(|| {
            format!("RUNTIME_CPUS is more than the {cpus} CPUs of the Docker engine's host")
        })
    }

    fn network_mode_problem(&self, network: &str) -> Option<String> {
        (self.remaps_users && network == "host").then(|| {
            "RUNTIME_NETWORK host: the Docker engine remaps users (userns-remap), and then refuses the host's network"
                .to_owned()
        })
    }

    fn init_problem(&self, init: Option<bool>) -> Option<String> {
        (init == Some(true) && self.init_is_missing).then(|| {
            "RUNTIME_INIT is true, and the Docker engine could not run its init (docker-init)"
                .to_owned()
        })
    }
}

fn unproven(message: String) -> EngineError {
    EngineError::without_effect(EngineFault::Unproven(message))
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
        assert_eq!(info("local", true).limit_problem(&all), None);
        assert_eq!(info("local", false).limit_problem(&Limits::default()), None);
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
            let refused = info("local", false).limit_problem(&limits);
            let refused = refused.expect(variable);
            assert!(refused.starts_with(variable), "{refused}");
        }
        let more = Limits {
            nano_cpus: Some(2_000_000_001),
            ..Limits::default()
        };
        let refused = info("local", true).limit_problem(&more);
        let refused = refused.expect("too many");
        assert!(refused.contains("2 CPUs"), "{refused}");
    }

    #[test]
    fn the_host_network_of_an_engine_that_remaps_users_and_a_missing_init_are_named() {
        let mut engine = info("local", true);
        assert_eq!(engine.network_mode_problem("host"), None);
        engine.remaps_users = true;
        assert!(engine.network_mode_problem("host").is_some());
        assert_eq!(engine.network_mode_problem("bridge"), None);
        assert_eq!(engine.init_problem(Some(true)), None);
        engine.init_is_missing = true;
        assert!(engine.init_problem(Some(true)).is_some());
        assert_eq!(engine.init_problem(None), None);
    }
}
