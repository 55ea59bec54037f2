//! One record, named so that nobody who can write the trail can move it.

use std::fmt;
use std::str::FromStr;

use super::hash::NO_RECORD;

/// A durable record. `Display` gives `SEQ:HASH`, and `FromStr` reads it: whoever keeps that text elsewhere (the
/// journal, the log of a pipeline) can prove with `verify --expect` that the record is still there, unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Sequence number of the record.
    pub seq: u64,
    /// SHA-256 of its line, newline included, in lower-case hexadecimal.
    pub hash: String,
}

impl Anchor {
    /// Where a trail without records stands.
    pub(super) fn before_the_first() -> Self {
        Self {
            seq: 0,
            hash: NO_RECORD.to_owned(),
        }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not SEQ:HASH with 64 hexadecimal digits");
        let (seq, hash) = text.split_once(':').ok_or_else(wrong)?;
        let seq = seq.parse().map_err(|_| wrong())?;
        if hash.len() != 64 || !hash.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        Ok(Self {
            seq,
            hash: hash.to_ascii_lowercase(),
        })
    }
}
