//! `deploy-agent verify`: is this the trail that was written?

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::chain::{Chain, Parsed};
use super::files;
use super::recovery::{parse_head, read_ledger};
use super::trail::Receipt;

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
    let path = &options.path;
    let directory = path.is_dir().then_some(path.as_path());
    // Before the records: a running agent writes the head after them.
    let head = match directory {
        Some(directory) => head_of(directory)?,
        None => None,
    };
    let files = trail_files(path)?;
    let mut walk = Walk {
        chain: Chain::new(),
        first: None,
        whole: false,
        partial: options.partial || directory.is_none(),
        directory: directory
            .or_else(|| path.parent())
            .unwrap_or(path)
            .to_owned(),
        anchors: head
            .iter()
            .cloned()
            .chain(options.expect.as_ref().map(Anchor::receipt))
            .collect(),
        rest: 0,
    };
    for file in &files {
        if let Err(broken) = walk.file(file)? {
            writeln!(out, "broken: {broken}")?;
            return Ok(Verdict::Broken);
        }
    }
    // Whoever was asked for and did not come by is missing.
    if let Some(missing) = walk.anchors.iter().max_by_key(|anchor| anchor.seq) {
        let newest = walk.chain.head.seq;
        writeln!(
            out,
            "broken: record {missing} is missing; the newest one here is number {newest}"
        )?;
        return Ok(Verdict::Broken);
    }
    if walk.rest > 0 {
        writeln!(
            out,
            "note: the last {} bytes are no whole record: one is being written, or a crash cut it",
            walk.rest
        )?;
    }
    match walk.first {
        Some(first) => writeln!(
            out,
            "intact: records {first} to {}, newest {}",
            walk.chain.head.seq, walk.chain.head
        )?,
        None => writeln!(out, "intact: no records")?,
    }
    if !walk.whole && walk.first.is_some() {
        writeln!(
            out,
            "note: what came before record {} is not here",
            walk.first.unwrap_or_default()
        )?;
    }
    Ok(Verdict::Intact)
}

/// The files of a trail, oldest first.
pub(crate) fn trail_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> = files::ended_files(path)?
        .into_iter()
        .map(|(_, path)| path)
        .collect();
    let newest = path.join(files::TRAIL);
    if newest.exists() || files.is_empty() {
        files.push(newest);
    }
    Ok(files)
}

fn head_of(directory: &Path) -> io::Result<Option<Receipt>> {
    match std::fs::read(directory.join(files::HEAD)) {
        Ok(bytes) => Ok(parse_head(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Anchor {
    fn receipt(&self) -> Receipt {
        Receipt {
            seq: self.seq,
            hash: self.hash.clone(),
        }
    }
}

/// One walk over all records.
struct Walk {
    chain: Chain,
    first: Option<u64>,
    /// From the very first record on.
    whole: bool,
    partial: bool,
    directory: PathBuf,
    /// Records that must come by.
    anchors: Vec<Receipt>,
    /// Bytes behind the last whole record.
    rest: usize,
}

impl Walk {
    /// The inner error is what breaks the trail.
    fn file(&mut self, path: &Path) -> io::Result<Result<(), String>> {
        let file = File::open(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let named = |problem: &str| Err(format!("{} line {number}: {problem}", path.display()));
            let Some(text) = line.strip_suffix(b"\n") else {
                self.rest = line.len();
                break;
            };
            let Some(parsed) = Chain::parse(text) else {
                return Ok(named("it is no record"));
            };
            if let Err(problem) = self.record(&parsed, text) {
                return Ok(named(&problem));
            }
        }
        Ok(Ok(()))
    }

    fn record(&mut self, parsed: &Parsed<'_>, text: &[u8]) -> Result<(), String> {
        if self.first.is_none() {
            self.first = Some(parsed.seq);
            self.whole = parsed.follows(&self.chain.head);
            if !self.whole {
                if !self.partial {
                    return Err(format!(
                        "it is record {}, and what came before is missing (--partial, if it was taken away)",
                        parsed.seq
                    ));
                }
                self.chain.head = parsed.predecessor();
            }
        }
        if let Some(problem) = self.chain.take(parsed, text) {
            return Err(problem);
        }
        if let Some(reference) = &parsed.ledger {
            let ledger = read_ledger(&self.directory, reference)?;
            if self.whole && ledger != self.chain.ledger {
                return Err(format!(
                    "the ledger of tags in {} is not what the records before say",
                    reference.file
                ));
            }
            self.chain.ledger = ledger;
        }
        let head = &self.chain.head;
        if let Some(other) = self
            .anchors
            .iter()
            .find(|anchor| anchor.seq == head.seq && anchor.hash != head.hash)
        {
            return Err(format!(
                "it was changed after it was written: its hash is {}, and {} was noted",
                head.hash, other.hash
            ));
        }
        self.anchors.retain(|anchor| anchor.seq != head.seq);
        Ok(())
    }
}
