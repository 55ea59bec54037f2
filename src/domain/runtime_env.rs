//! `runtime.env`: the server-owned environment of the runtime container.
//!
//! Read exactly as `docker run --env-file` reads it, so that a host's file means what it always meant.
//! The one difference: a bare `KEY`, which Docker would fill from its caller's environment, is refused.

use std::fmt;

use thiserror::Error;

use super::redaction::Secrets;

/// The longest line Docker's own reader takes (Go's `bufio.MaxScanTokenSize`).
const LONGEST_LINE: usize = 64 * 1024;

/// Variables in file order, duplicates included. `Debug` shows names only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RuntimeEnv(Vec<(String, String)>);

/// Why a `runtime.env` is refused. Never quotes a value.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RuntimeEnvError {
    /// Docker refuses such a line too.
    #[error("line {line} is not UTF-8")]
    NotUtf8 {
        /// Counted from 1.
        line: usize,
    },
    /// Docker refuses such a line too.
    #[error("line {line} has white space in its variable name")]
    WhiteSpaceInName {
        /// Counted from 1.
        line: usize,
    },
    /// Docker refuses such a line too.
    #[error("line {line} has no variable name before its =")]
    NoName {
        /// Counted from 1.
        line: usize,
    },
    /// Docker would take the value from the caller's environment.
    #[error(
        "line {line} has no =: a bare name would take its value from the agent's own environment"
    )]
    NoValue {
        /// Counted from 1. The line itself may be a piece of a secret, so nothing of it is quoted.
        line: usize,
    },
    /// No process can hold it.
    #[error("line {line} holds a NUL byte")]
    Nul {
        /// Counted from 1.
        line: usize,
    },
    /// Docker refuses such a line too.
    #[error("line {line} is longer than 64 KiB")]
    TooLong {
        /// Counted from 1.
        line: usize,
    },
}

impl RuntimeEnv {
    /// Parses the bytes of an env file.
    ///
    /// # Errors
    /// The first line that cannot be taken, by number; never its value.
    pub fn parse(bytes: &[u8]) -> Result<Self, RuntimeEnvError> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut variables = Vec::new();
        for (index, raw) in bytes.split(|b| *b == b'\n').enumerate() {
            let line = index + 1;
            if raw.len() >= LONGEST_LINE {
                return Err(RuntimeEnvError::TooLong { line });
            }
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            let text = std::str::from_utf8(raw).map_err(|_| RuntimeEnvError::NotUtf8 { line })?;
            variables.extend(parse_line(text, line)?);
        }
        Ok(Self(variables))
    }

    /// The last value of a variable: the one the process sees.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Names and values in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `NAME=value` lines as the engine's API takes them.
    #[must_use]
    pub fn to_engine(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    /// The text with every secret of these variables replaced by `***`: what an engine says may quote one. A value is a
    /// secret by its variable's name or by its form; ordinary values stay readable.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        Secrets::of(self.iter()).blank(text)
    }
}

fn parse_line(text: &str, line: usize) -> Result<Option<(String, String)>, RuntimeEnvError> {
    let text = text.trim_start();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if text.contains('\0') {
        return Err(RuntimeEnvError::Nul { line });
    }
    let (name, value) = text
        .split_once('=')
        .map_or((text, None), |(name, value)| (name, Some(value)));
    if name.contains([' ', '\t']) {
        return Err(RuntimeEnvError::WhiteSpaceInName { line });
    }
    if name.is_empty() {
        return Err(RuntimeEnvError::NoName { line });
    }
    match value {
        Some(value) => Ok(Some((name.to_owned(), value.to_owned()))),
        None => Err(RuntimeEnvError::NoValue { line }),
    }
}

impl fmt::Debug for RuntimeEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        RuntimeEnv::parse(text.as_bytes()).expect("valid").0
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        let parsed = pairs("# c\n\n  A=1\r\nB=\"q\" # no comment\nC=a=b\nD=\n\tE= x \n");
        let expected = [
            ("A", "1"),
            ("B", "\"q\" # no comment"),
            ("C", "a=b"),
            ("D", ""),
            ("E", " x "),
        ];
        assert_eq!(
            parsed,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn what_docker_refuses_is_refused_by_line() {
        let parse = |text: &[u8]| RuntimeEnv::parse(text).expect_err("refused");
        assert_eq!(
            parse(b"A=1\nB C=2"),
            RuntimeEnvError::WhiteSpaceInName { line: 2 }
        );
        assert_eq!(parse(b"=2"), RuntimeEnvError::NoName { line: 1 });
        assert_eq!(parse(b"A=\xff"), RuntimeEnvError::NotUtf8 { line: 1 });
        assert_eq!(parse(b"A=1\nPATH"), RuntimeEnvError::NoValue { line: 2 });
        assert_eq!(parse(b"A=\0"), RuntimeEnvError::Nul { line: 1 });
        assert_eq!(
            parse(&[b'A'; LONGEST_LINE]),
            RuntimeEnvError::TooLong { line: 1 }
        );
    }

    #[test]
    fn debug_and_redact_show_no_value() {
        let env =
            RuntimeEnv::parse(b"DATABASE_URL=postgres://u:hunter22@h/db\nMODE=a").expect("valid");
        assert_eq!(format!("{env:?}"), "[\"DATABASE_URL\", \"MODE\"]");
        assert_eq!(
            env.redact("no: postgres://u:hunter22@h/db a, nor hunter22"),
            "no: *** a, nor ***"
        );
    }

    proptest! {
        #[test]
        fn no_input_panics_and_no_error_quotes_a_value(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(RuntimeEnv::parse(&bytes));
        }

        #[test]
        fn what_was_written_is_read(entries in proptest::collection::vec(("[A-Z_][A-Z0-9_]{0,8}", "[^\\n\\r\\x00]{0,20}"), 0..8)) {
            let text: String = entries.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            prop_assert_eq!(pairs(&text), entries);
        }
    }
}
