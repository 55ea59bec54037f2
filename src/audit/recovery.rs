//! Opening a trail that may have been cut by a crash, or by a hand.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::chain::{Chain, Parsed, hash_of_line, ledger_to_bytes, sha256};
use super::error::TrailError;
use super::event::{Event, LedgerReference, TornLineKeptAside};
use super::files;
use super::trail::{KeptAside, LedgerEntry, Receipt};

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
    let (bytes, continues) = match (files::read_bounded(&path)?, newest_ended) {
        (Some(bytes), _) => (bytes, None),
        (None, Some((_, ended))) => (
            files::read_bounded(&ended)?.unwrap_or_default(),
            Some(ended),
        ),
        (None, None) => (Vec::new(), None),
    };
    let shown = continues.as_deref().unwrap_or(&path).display().to_string();
    let mut recovered = read(directory, &bytes, &shown, head.as_ref());
    let whole = usize::try_from(recovered.length).unwrap_or(usize::MAX);
    if let (Some(rest), None) = (
        bytes.get(whole..).filter(|rest| !rest.is_empty()),
        &continues,
    ) {
        recovered.torn = Some(put_aside(directory, &path, rest, &recovered)?);
    }
    recovered.continues = continues;
    compare_with_head(&mut recovered, head, &shown);
    Ok(recovered)
}

fn read(directory: &Path, bytes: &[u8], shown: &str, head: Option<&Receipt>) -> Recovered {
    let mut chain = Chain::new();
    let mut problems = Vec::new();
    let mut length = 0;
    let mut at = 0;
    // Lines that are no record: a problem only when a record follows, else they are what a crash left.
    let mut unread: Vec<usize> = Vec::new();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    for (number, line) in lines.enumerate().map(|(index, line)| (index + 1, line)) {
        at += line.len();
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
    let length = length as u64;
    Recovered {
        chain,
        length,
        torn: None,
        problems,
        continues: None,
    }
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
pub(super) fn read_ledger(
    directory: &Path,
    reference: &LedgerReference,
) -> Result<HashMap<String, LedgerEntry>, String> {
    let path = directory.join(Path::new(&reference.file).file_name().unwrap_or_default());
    let named = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
    let bytes = fs::read(&path).map_err(|error| named(&error))?;
    if sha256(&bytes) != reference.sha256 {
        return Err(named(
            &"the ledger of tags was changed after it was written",
        ));
    }
    serde_json::from_slice(&bytes).map_err(|_| named(&"the ledger of tags cannot be read"))
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
