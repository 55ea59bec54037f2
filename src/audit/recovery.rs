//! Opening a trail that may have been cut by a crash, or by a hand.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chain::{Chain, Parsed, hash_of_line, ledger_to_bytes, sha256};
use super::error::TrailError;
use super::event::{Event, LedgerReference, TornLineKeptAside};
use super::files;
use super::trail::{KeptAside, Ledger, LedgerEntry, Receipt};

/// Bytes that are read from a trail at a time.
const READ_AHEAD: usize = 128 * 1024;

/// What a file of the trail holds.
pub(super) struct Recovered {
    pub(super) chain: Chain,
    /// Bytes up to the end of the last whole record.
    pub(super) length: u64,
    pub(super) torn: Option<(KeptAside, Event)>,
    pub(super) problems: Vec<String>,
    /// The trail's file is missing, and this one ended before it: a rotation was interrupted.
    pub(super) continues: Option<PathBuf>,
}

/// Reads the newest file of the trail and puts aside what a crash left behind its last record.
pub(super) fn recover(directory: &Path) -> Result<Recovered, TrailError> {
    let path = directory.join(files::TRAIL);
    let head = read_head(directory)?;
    let ended = files::ended_files(directory);
    let newest_ended = ended
        .map_err(|error| TrailError::io("list", directory, &error))?
        .pop();
    let (file, continues) = match (files::open_to_read(&path)?, newest_ended) {
        (Some(file), _) => (Some(file), None),
        (None, Some((_, ended))) => (files::open_to_read(&ended)?, Some(ended)),
        (None, None) => (None, None),
    };
    let newest = continues.as_deref().unwrap_or(&path);
    let shown = newest.display().to_string();
    let failed = |error| TrailError::io("read", newest, &error);
    let mut recovered = match &file {
        Some(file) => {
            let lines = BufReader::with_capacity(READ_AHEAD, file);
            read(directory, lines, &shown, head.as_ref()).map_err(failed)?
        }
        None => read(directory, io::empty(), &shown, head.as_ref()).map_err(failed)?,
    };
    if let (Some(mut file), None) = (file, &continues) {
        let mut rest = Vec::new();
        file.seek(SeekFrom::Start(recovered.length))
            .and_then(|_| file.take(files::LARGEST).read_to_end(&mut rest))
            .map_err(failed)?;
        if !rest.is_empty() {
            recovered.torn = Some(put_aside(directory, &path, &rest, &recovered)?);
        }
    }
    recovered.continues = continues;
    compare_with_head(&mut recovered, head, &shown);
    Ok(recovered)
}

/// Line by line: what a start takes of memory does not grow with the trail.
fn read(
    directory: &Path,
    mut lines: impl BufRead,
    shown: &str,
    head: Option<&Receipt>,
) -> io::Result<Recovered> {
    let mut chain = Chain::new();
    let mut problems = Vec::new();
    let (mut length, mut at, mut number) = (0, 0, 0);
    let mut line = Vec::new();
    // Lines that are no record: a problem only when a record follows, else they are what a crash left.
    let mut unread: Vec<usize> = Vec::new();
    loop {
        line.clear();
        at += lines
            .by_ref()
            .take(files::LARGEST)
            .read_until(b'\n', &mut line)? as u64;
        number += 1;
        let Some(text) = line.strip_suffix(b"\n") else {
            break;
        };
        let Some(parsed) = Chain::parse(text) else {
            unread.push(number);
            continue;
        };
        problems.extend(
            unread
                .drain(..)
                .map(|bad| format!("{shown} line {bad}: it is no record")),
        );
        if length == 0 && parsed.event == "trail_continued" {
            problems.extend(enter(&mut chain, directory, &parsed, text));
        } else if let Some(problem) = chain.take(&parsed, text) {
            problems.push(format!("{shown} line {number}: {problem}"));
        }
        if head.is_some_and(|head| head.seq == parsed.seq && head.hash != chain.head.hash) {
            problems.push(format!(
                "{shown} line {number}: it was changed after it was written"
            ));
        }
        length = at;
    }
    Ok(Recovered {
        chain,
        length,
        torn: None,
        problems,
        continues: None,
    })
}

/// Begins with a file that follows another: its first record says where the chain and the ledger stand.
fn enter(chain: &mut Chain, directory: &Path, first: &Parsed<'_>, line: &[u8]) -> Option<String> {
    chain.learn(first);
    chain.head = Receipt {
        seq: first.seq,
        hash: hash_of_line(line),
    };
    let reference = first.ledger.as_ref()?;
    match read_ledger(directory, reference) {
        Ok(ledger) => {
            chain.ledger = ledger;
            None
        }
        Err(problem) => Some(problem),
    }
}

/// Reads a ledger file and checks that it is the one that was meant.
pub(super) fn read_ledger(directory: &Path, reference: &LedgerReference) -> Result<Ledger, String> {
    let path = directory.join(Path::new(&reference.file).file_name().unwrap_or_default());
    let named = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
    let bytes = fs::read(&path).map_err(|error| named(&error))?;
    if sha256(&bytes) != reference.sha256 {
        return Err(named(
            &"the ledger of tags was changed after it was written",
        ));
    }
    let entries: HashMap<String, LedgerEntry> =
        serde_json::from_slice(&bytes).map_err(|_| named(&"the ledger of tags cannot be read"))?;
    let shared = |(tag, entry): (String, LedgerEntry)| (tag.into(), Arc::new(entry));
    Ok(entries.into_iter().map(shared).collect())
}

/// Writes the ledger as a file of its own; the record that refers to it holds its hash.
pub(super) fn write_ledger(directory: &Path, chain: &Chain) -> Result<LedgerReference, TrailError> {
    let file = format!("audit.{:020}.ledger.json", chain.head.seq);
    let path = directory.join(&file);
    let bytes = ledger_to_bytes(&chain.ledger).map_err(|error| TrailError::Damaged {
        path: path.clone(),
        problem: error.to_string(),
    })?;
    files::write_whole(&path, &bytes)?;
    let tags = chain.ledger.len() as u64;
    Ok(LedgerReference {
        file,
        sha256: sha256(&bytes),
        tags,
    })
}

/// Moves bytes that are no record into a file of their own; nothing is dropped.
fn put_aside(
    directory: &Path,
    trail: &Path,
    rest: &[u8],
    recovered: &Recovered,
) -> Result<(KeptAside, Event), TrailError> {
    let first = recovered.chain.head.seq + 1;
    let free = (0_u32..)
        .map(|n| format!("audit.torn.{first}.{n}"))
        .find(|name| !directory.join(name).exists());
    let file = free.unwrap_or_default();
    let path = directory.join(&file);
    let mut aside = files::open_private(&path, OpenOptions::new().create_new(true).write(true))?;
    let kept = aside.write_all(rest).and_then(|()| aside.sync_all());
    kept.map_err(|error| TrailError::io("write", &path, &error))?;
    files::sync_directory(directory)?;
    let whole = files::open_private(trail, OpenOptions::new().write(true))?;
    let cut = whole
        .set_len(recovered.length)
        .and_then(|()| whole.sync_all());
    cut.map_err(|error| TrailError::io("cut", trail, &error))?;
    let bytes = rest.len() as u64;
    let event = Event::TornLineKeptAside(TornLineKeptAside {
        file: file.clone(),
        bytes,
        sha256: sha256(rest),
    });
    Ok((KeptAside { file, bytes }, event))
}

/// The head knows the newest record of the last life: a tail that was cut shows.
fn compare_with_head(recovered: &mut Recovered, head: Option<Receipt>, shown: &str) {
    let Some(head) = head else { return };
    let last = recovered.chain.head.seq;
    if head.seq > last {
        let missing = head.seq - last;
        recovered.problems.push(format!(
            "{shown}: the last {missing} records are missing; the newest was {head}"
        ));
        // Numbers are never used twice: the gap stays visible.
        recovered.chain.head.seq = head.seq;
    }
}

/// `audit.head`, beside the trail; none before the first record.
pub(super) fn read_head(directory: &Path) -> Result<Option<Receipt>, TrailError> {
    let bytes = files::read_bounded(&directory.join(files::HEAD))?;
    Ok(bytes.and_then(|bytes| parse_head(&bytes)))
}

pub(super) fn parse_head(bytes: &[u8]) -> Option<Receipt> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (seq, hash) = text.trim().split_once(':')?;
    let seq = seq.parse().ok()?;
    (hash.len() == 64).then(|| Receipt {
        seq,
        hash: hash.to_owned(),
    })
}
