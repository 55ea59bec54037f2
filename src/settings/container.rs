//! What bounds the runtime container: its log and its limits, each set by one variable.

use super::reader::Reader;

/// The least memory that every supported engine takes for a container; it refuses less.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;
/// The most that the engine's signed numbers hold.
const MOST: u64 = i64::MAX as u64;
/// What the engine counts CPUs in.
const NANOS: u64 = 1_000_000_000;
/// The least share of a CPU that the engine takes.
const LEAST_NANO_CPUS: u64 = NANOS / 100;

/// How much of the runtime's output the engine keeps, where its default log driver writes files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBounds {
    /// `RUNTIME_LOG_MAX_SIZE`: the most bytes of a file, in the words of Docker's drivers, such as `10m`.
    pub max_size: String,
    /// `RUNTIME_LOG_MAX_FILES`: the most files, at least 1.
    pub max_files: u64,
}

/// The most that the runtime may use; none means as much as the host has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// `RUNTIME_MEMORY`, in bytes.
    pub memory: Option<u64>,
    /// `RUNTIME_CPUS`, in billionths of a CPU.
    pub nano_cpus: Option<u64>,
    /// `RUNTIME_PIDS`: processes and threads.
    pub pids: Option<u64>,
}

impl LogBounds {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            max_size: reader.or("RUNTIME_LOG_MAX_SIZE", "10m".to_owned(), log_size),
            max_files: reader.number("RUNTIME_LOG_MAX_FILES", 3, 1..=1000),
        }
    }
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut limit = |variable: &str, parse: fn(&str) -> Result<u64, &'static str>| {
            reader.or(variable, None, |text| parse(text).map(Some))
        };
        Self {
            memory: limit("RUNTIME_MEMORY", memory),
            nano_cpus: limit("RUNTIME_CPUS", nano_cpus),
            pids: limit("RUNTIME_PIDS", pids),
        }
    }

    /// Each limit by its variable, in the words in which it is set.
    #[must_use]
    pub fn lines(&self) -> [(&'static str, String); 3] {
        let Self {
            memory,
            nano_cpus,
            pids,
        } = self;
        let shown = |limit: Option<String>| limit.unwrap_or_else(|| "(none)".to_owned());
        [
            (
                "RUNTIME_MEMORY",
                shown(memory.map(|bytes| bytes.to_string())),
            ),
            ("RUNTIME_CPUS", shown(nano_cpus.map(cpus))),
            ("RUNTIME_PIDS", shown(pids.map(|most| most.to_string()))),
        ]
    }
}

/// An init as it is shown.
pub(crate) fn shown_init(init: Option<bool>) -> String {
    init.map_or("(engine's default)".to_owned(), |init| init.to_string())
}

/// A number of bytes with Docker's suffixes, times 1024 each.
fn memory(text: &str) -> Result<u64, &'static str> {
    bytes(text)
        .filter(|bytes| (LEAST_MEMORY..=MOST).contains(bytes))
        .ok_or("must be bytes with a suffix b, k, m or g, such as 512m, and at least 6m")
}

/// The drivers read the text themselves; without a bound of its own a log grows until the disk is full.
fn log_size(text: &str) -> Result<String, &'static str> {
    bytes(text)
        .filter(|bytes| (1..=MOST).contains(bytes))
        .map(|_| text.to_owned())
        .ok_or("must be bytes with a suffix k, m or g, such as 10m")
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "b" | "B" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    whole(digits)?.checked_mul(unit)
}

/// A decimal such as `1.5`, kept exactly.
fn nano_cpus(text: &str) -> Result<u64, &'static str> {
    let exact = || {
        let (ones, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if fraction.is_empty() || fraction.len() > 9 {
            return None;
        }
        let nanos = whole(&format!("{fraction:0<9}"))?;
        whole(ones)?.checked_mul(NANOS)?.checked_add(nanos)
    };
    exact()
        .filter(|nanos| (LEAST_NANO_CPUS..=MOST).contains(nanos))
        .ok_or("must be a number of CPUs of at least 0.01, such as 1.5, with nine decimals at most")
}

fn cpus(nanos: u64) -> String {
    let text = format!("{}.{:09}", nanos / NANOS, nanos % NANOS);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// At least one process.
fn pids(text: &str) -> Result<u64, &'static str> {
    whole(text)
        .filter(|most| (1..=MOST).contains(most))
        .ok_or("must be a whole number of at least 1")
}

/// Digits and nothing else: `parse` would take a sign.
fn whole(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bytes_with_dockers_suffixes() {
        let mib = 1024 * 1024;
        for (text, bytes) in [
            ("6m", 6 * mib),
            ("512M", 512 * mib),
            ("2g", 2048 * mib),
            ("6291456", 6 * mib),
            ("6291456b", 6 * mib),
            ("6144k", 6 * mib),
        ] {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
        let too_much = "9223372036854775808";
        for bad in [
            "",
            "5m",
            "0",
            "-1",
            "+6m",
            "6mb",
            "6 m",
            "1.5g",
            "m",
            "6t",
            "all",
            too_much,
            "9999999999g",
            "6µ",
        ] {
            assert!(memory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cpus_are_an_exact_decimal_and_shown_as_they_are_set() {
        for (text, nanos, again) in [
            ("1", NANOS, "1"),
            ("1.5", NANOS + NANOS / 2, "1.5"),
            ("0.01", LEAST_NANO_CPUS, "0.01"),
            ("2.000000001", 2 * NANOS + 1, "2.000000001"),
            ("10", 10 * NANOS, "10"),
        ] {
            assert_eq!(nano_cpus(text), Ok(nanos), "{text}");
            assert_eq!(cpus(nanos), again);
        }
        for bad in [
            "",
            "0",
            "0.009",
            "-1",
            "+1",
            "1e3",
            "1.",
            ".5",
            "1.0000000001",
            "1,5",
            "two",
            "99999999999",
        ] {
            assert!(nano_cpus(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_log_is_never_without_bounds() {
        for good in ["10m", "1g", "100k", "4096", "1M"] {
            assert_eq!(log_size(good), Ok(good.to_owned()));
        }
        for bad in ["-1", "0", "0m", "", "10mb", "unlimited", "1.5m"] {
            assert!(log_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pids_are_a_whole_number_of_at_least_one() {
        assert_eq!(pids("100"), Ok(100));
        for bad in ["0", "-1", "1.5", "", "+5", "many"] {
            assert!(pids(bad).is_err(), "{bad}");
        }
    }
}
