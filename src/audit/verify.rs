//! `deploy-agent verify`: is this the trail that was written?

use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

use super::bounds::obeyed_by_terminals;
use super::layout::TrailFiles;
use super::stamp::{self, Head};
use super::walk::{Break, Walk};

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
pub fn verify(options: &VerifyOptions, out: &mut impl Write) -> io::Result<Verdict> {
    let mut walk = Walk::new(options);
    // Before the files: what is durable by now must be found in them.
    walk.head = match options.path.is_dir() {
        true => stamp::head(&options.path),
        false => Head::Missing,
    };
    let trail = TrailFiles::open(&options.path)?;
    walk.alone = trail.directory.is_none();
    let broken = walk.all(trail)?.err();
    for note in &walk.notes {
        writeln!(out, "note: {}", harmless(note))?;
    }
    match broken.or_else(|| walk.recorded.take()) {
        Some(Break(what)) => {
            writeln!(out, "broken: {}", harmless(&what))?;
            Ok(Verdict::Broken)
        }
        None => {
            let (records, first) = (walk.records, walk.first.unwrap_or(0));
            let last = &walk.last;
            writeln!(
                out,
                "intact: {records} records, seq {first}..{}, head {last}",
                last.seq
            )?;
            Ok(Verdict::Intact)
        }
    }
}

/// `text` without what a terminal would obey.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| {
            if obeyed_by_terminals(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}
