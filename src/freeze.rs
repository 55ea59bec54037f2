//! A freeze: deploys are refused until a time, with a reason; a stop never is.
//!
//! The file in the state directory is the freeze, and is read whenever it matters: it survives restarts and kills, and
//! what cannot be read counts as frozen. The host's clock alone says whether its end has come, each time anew: set back,
//! a freeze holds again. So the file stays when its time is over, until a thaw or the next freeze.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tokio::sync::{Mutex, MutexGuard};

use crate::audit::{TrailError, read_own, remove, replace};
use crate::clock;

/// The longest freeze: what is meant for longer is a change of the settings.
const LONGEST: Duration = Duration::days(30);
/// The longest reason: one line for a person.
const LONGEST_REASON: usize = 200;
/// Name of the file, in the state directory.
const FILE: &str = "freeze.json";
/// More than any file of this agent's holds.
const LARGEST_FILE: u64 = 16 * 1024;

/// A freeze that was asked for and may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Why, in one line.
    pub reason: String,
    /// Its end.
    pub until: OffsetDateTime,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    reason: String,
    until: String,
    since: String,
    by: String,
    operation: String,
}

/// A freeze that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frozen {
    /// As somebody asked for.
    Until {
        /// Why.
        reason: String,
        /// Its end, RFC 3339.
        until: String,
        /// Who asked.
        by: String,
    },
    /// There is a freeze, and it cannot be read: why.
    Unreadable(String),
}

/// The freeze of one state directory.
#[derive(Debug)]
pub struct FreezeFile {
    directory: PathBuf,
    gate: Mutex<()>,
}

/// Held while a deploy begins, and while a freeze takes effect: neither happens amid the other.
pub type Gate<'a> = MutexGuard<'a, ()>;

impl Freeze {
    /// Takes a reason and an end, either RFC 3339 or a span from `now` on (`90m`, `2h`, `3d`).
    ///
    /// # Errors
    /// A sentence: the reason is empty, too long or not one line; the end is none, over, or more than 30 days off.
    pub fn parse(reason: &str, until: &str, now: OffsetDateTime) -> Result<Self, String> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err("a freeze needs a reason".to_owned());
        }
        if reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
            return Err(format!(
                "the reason must be one line of at most {LONGEST_REASON} characters"
            ));
        }
        let at = match OffsetDateTime::parse(until, &Rfc3339) {
            Ok(at) => Some(at),
            Err(_) => clock::span(until).and_then(|span| now.checked_add(span)),
        };
        let until = at.ok_or(
            "the end must be a time (RFC 3339, as 2026-01-31T18:00:00Z) or a span (90m, 2h, 3d)",
        )?;
        if until <= now {
            return Err(format!(
                "the end {} is over: it is {} now",
                clock::rfc3339(until),
                clock::rfc3339(now)
            ));
        }
        if until - now > LONGEST {
            return Err("a freeze lasts 30 days at most".to_owned());
        }
        Ok(Self {
            reason: reason.to_owned(),
            until,
        })
    }
}

impl FreezeFile {
    /// The freeze of this state directory, whether there is one or not.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            gate: Mutex::new(()),
        }
    }

    /// Waits until nobody else begins a deploy or changes the freeze. Cancel-safe.
    pub async fn gate(&self) -> Gate<'_> {
        self.gate.lock().await
    }

    /// The freeze that holds at `now`, if any. Reads one small file; blocks for as long as that takes.
    #[must_use]
    pub fn frozen(&self, now: OffsetDateTime) -> Option<Frozen> {
        match self.read() {
            Ok(None) => None,
            Ok(Some((_, until))) if until <= now => None,
            Ok(Some((written, _))) => Some(Frozen::Until {
                reason: written.reason,
                until: written.until,
                by: written.by,
            }),
            Err(problem) => Some(Frozen::Unreadable(problem)),
        }
    }

    fn read(&self) -> Result<Option<(Written, OffsetDateTime)>, String> {
        let path = self.directory.join(FILE);
        let bytes = read_own(&path, LARGEST_FILE).map_err(|error| error.to_string())?;
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let named = |problem: &dyn fmt::Display| format!("{}: {problem}", path.display());
        let written: Written = serde_json::from_slice(&bytes).map_err(|error| named(&error))?;
        let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).map_err(|e| named(&e));
        let (since, until) = (time(&written.since)?, time(&written.until)?);
        if until <= since || until - since > LONGEST {
            return Err(named(&"is not a freeze that this agent wrote"));
        }
        Ok(Some((written, until)))
    }

    /// Makes the freeze hold, durably. Blocks.
    ///
    /// # Errors
    /// The disk refused; whether it holds, [`FreezeFile::frozen`] tells.
    pub fn write(
        &self,
        _gate: &Gate<'_>,
        freeze: &Freeze,
        by: &str,
        operation: &str,
    ) -> Result<(), TrailError> {
        let written = Written {
            reason: freeze.reason.clone(),
            until: clock::rfc3339(freeze.until),
            since: clock::now_rfc3339(),
            by: by.to_owned(),
            operation: operation.to_owned(),
        };
        let mut bytes = serde_json::to_vec(&written).expect("a struct of texts serialises");
        bytes.push(b'\n');
        replace(&self.directory, FILE, &bytes)
    }

    /// Ends the freeze, durably, also one that cannot be read; none is as good. Blocks.
    ///
    /// # Errors
    /// The disk refused; whether it holds, [`FreezeFile::frozen`] tells.
    pub fn remove(&self, _gate: &Gate<'_>) -> Result<(), TrailError> {
        remove(&self.directory, FILE)
    }
}

/// A clause: `deploys are frozen until 2026-01-31T18:00:00Z by local uid 0: market hours`.
impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Until { reason, until, by } => {
                write!(f, "deploys are frozen until {until} by {by}: {reason}")
            }
            Self::Unreadable(problem) => write!(
                f,
                "deploys are frozen: there is a freeze that cannot be read ({problem}); deploy-agent thaw ends it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-01-31 12:00 UTC);

    #[test]
    fn an_end_is_a_time_or_a_span_of_at_most_30_days() {
        for (until, at) in [
            ("2026-01-31T18:00:00Z", "2026-01-31T18:00:00Z"),
            ("2026-01-31T18:00:00+01:00", "2026-01-31T17:00:00Z"),
            ("90m", "2026-01-31T13:30:00Z"),
            ("30d", "2026-03-02T12:00:00Z"),
        ] {
            let freeze = Freeze::parse("market hours", until, NOW).expect(until);
            assert_eq!(clock::rfc3339(freeze.until), at);
        }
        for until in [
            "",
            "0m",
            "31d",
            "2h30m",
            "-2h",
            "tomorrow",
            "2026-01-31T12:00:00Z",
            "2026-01-31",
            "2026-03-02T12:00:01Z",
            "99999999999d",
        ] {
            assert!(Freeze::parse("x", until, NOW).is_err(), "{until}");
        }
    }

    #[test]
    fn a_reason_is_one_line() {
        for reason in ["", "  ", "two\nlines", "a\u{1b}[31m", &"x".repeat(201)] {
            assert!(Freeze::parse(reason, "1h", NOW).is_err(), "{reason:?}");
        }
        let freeze = Freeze::parse(" release of the API ", "1h", NOW).expect("a reason");
        assert_eq!(freeze.reason, "release of the API");
    }
}
