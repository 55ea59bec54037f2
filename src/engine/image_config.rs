//! What an image's configuration says of the container that is made of it.

use std::time::Duration;

use bollard::models::{HealthConfig, ImageConfig as EngineConfig};

use super::REVISION_LABEL;

/// What engines take for an interval that is not given.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// What newer engines take for an interval of the start period that is not given.
const DEFAULT_START_INTERVAL: Duration = Duration::from_secs(5);
/// Engines take no shorter time from whoever asks them; an image may carry one all the same.
const LEAST_TIMEOUT: Duration = Duration::from_millis(1);

/// The configuration of an image, as far as it decides whether its container can run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// ENTRYPOINT.
    pub entrypoint: Vec<String>,
    /// CMD.
    pub command: Vec<String>,
    /// `NAME=value`, or whatever stands in the place of it.
    pub env: Vec<String>,
    /// USER: names or numbers, `user:group`; empty is root.
    pub user: String,
    /// WORKDIR; empty is the root of the file system.
    pub working_directory: String,
    /// VOLUME: where anonymous volumes are mounted.
    pub volumes: Vec<String>,
    /// HEALTHCHECK, if an engine runs it.
    pub health_check: Option<HealthCheck>,
    /// What its labels claim of where it comes from.
    pub origin: ImageOrigin,
}

/// Where an image says that it comes from, in the labels of the OCI image specification. A claim of the image and no
/// proof: whoever builds it writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageOrigin {
    /// Revision of the source.
    pub revision: Option<String>,
    /// Where the source is.
    pub source: Option<String>,
    /// When it was built.
    pub created: Option<String>,
}

/// A HEALTHCHECK that the engine runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthCheck {
    /// Whether there is anything to run.
    pub has_command: bool,
    interval: Duration,
    timeout: Option<Duration>,
    start_period: Duration,
    start_interval: Duration,
}

impl ImageConfig {
    pub(super) fn of(config: EngineConfig) -> Self {
        let mut labels = config.labels.unwrap_or_default();
        let mut label = |name: &str| labels.remove(name).filter(|value| !value.is_empty());
        Self {
            origin: ImageOrigin {
                revision: label(REVISION_LABEL),
                source: label("org.opencontainers.image.source"),
                created: label("org.opencontainers.image.created"),
            },
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            env: config.env.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            working_directory: config.working_dir.unwrap_or_default(),
            volumes: config.volumes.unwrap_or_default(),
            health_check: config.healthcheck.and_then(HealthCheck::of),
        }
    }

    /// The words that the engine starts the process with. An ENTRYPOINT of one empty word is none.
    #[must_use]
    pub fn words(&self) -> Vec<&str> {
        let entrypoint = match self.entrypoint.as_slice() {
            [only] if only.is_empty() => &[],
            words => words,
        };
        let words = entrypoint.iter().chain(&self.command);
        words.map(String::as_str).collect()
    }
}

impl HealthCheck {
    /// None for `NONE`, for what inherits nothing, and for words that engines pass over.
    fn of(check: HealthConfig) -> Option<Self> {
        let test = check.test.unwrap_or_default();
        let has_command = match test.first()?.as_str() {
            "CMD" => test.len() > 1,
            // The shell runs, with or without a line to read.
            "CMD-SHELL" => true,
            _ => return None,
        };
        let given = |nanos: Option<i64>| nanos.filter(|nanos| *nanos != 0).map(duration);
        Some(Self {
            has_command,
            interval: given(check.interval).unwrap_or(DEFAULT_INTERVAL),
            timeout: given(check.timeout),
            start_period: given(check.start_period).unwrap_or_default(),
            start_interval: given(check.start_interval).unwrap_or(DEFAULT_START_INTERVAL),
        })
    }

    /// How long after the start the engine probes for the first time. Engines from API 1.44 on have an interval of its
    /// own for the start period.
    #[must_use]
    pub fn first_probe(&self, has_start_interval: bool) -> Duration {
        if has_start_interval && !self.start_period.is_zero() {
            self.start_interval
        } else {
            self.interval
        }
    }

    /// Whether a probe has the time to say anything.
    #[must_use]
    pub fn can_end(&self) -> bool {
        self.timeout.is_none_or(|timeout| timeout >= LEAST_TIMEOUT)
    }
}

/// Less than nothing is at once.
fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], seconds: [i64; 4]) -> Option<HealthCheck> {
        let nanos = |seconds: i64| Some(seconds * 1_000_000_000);
        let [interval, timeout, start_period, start_interval] = seconds;
        HealthCheck::of(HealthConfig {
            test: Some(words.iter().map(|word| (*word).to_owned()).collect()),
            interval: nanos(interval),
            timeout: nanos(timeout),
            start_period: nanos(start_period),
            start_interval: nanos(start_interval),
            ..HealthConfig::default()
        })
    }

    #[test]
    fn only_what_an_engine_runs_is_a_health_check() {
        for words in [&[][..], &["NONE"], &["NONE", "x"], &["OTHER", "x"]] {
            assert_eq!(check(words, [0; 4]), None, "{words:?}");
        }
        for (words, has_command) in [
            (&["CMD", "x"][..], true),
            (&["CMD"], false),
            (&["CMD-SHELL", "x"], true),
            (&["CMD-SHELL"], true),
        ] {
            let found = check(words, [0; 4]).expect("one");
            assert_eq!(found.has_command, has_command, "{words:?}");
        }
    }

    #[test]
    fn the_first_probe_comes_after_the_interval_or_that_of_the_start_period() {
        for (seconds, old, new) in [
            ([0, 0, 0, 0], 30, 30),
            ([7, 0, 0, 2], 7, 7),
            ([7, 0, 60, 2], 7, 2),
            ([0, 0, 60, 0], 30, 5),
            ([-1, 0, 0, 0], 0, 0),
        ] {
            let found = check(&["CMD", "x"], seconds).expect("one");
            let first = |has| found.first_probe(has).as_secs();
            assert_eq!((first(false), first(true)), (old, new), "{seconds:?}");
        }
    }

    #[test]
    fn an_entrypoint_of_one_empty_word_is_none() {
        let config = |entrypoint: &[&str], command: &[&str]| ImageConfig {
            entrypoint: entrypoint.iter().map(|word| (*word).to_owned()).collect(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            ..ImageConfig::default()
        };
        assert_eq!(config(&[""], &["a"]).words(), ["a"]);
        assert_eq!(config(&["", "b"], &["a"]).words(), ["", "b", "a"]);
        assert!(config(&[""], &[]).words().is_empty());
        assert_eq!(config(&[], &[""]).words(), [""]);
    }
}
