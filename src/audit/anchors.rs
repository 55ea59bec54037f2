//! Many anchors at once, as the logs of pipelines hold them: one answer for each.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

use super::anchor::Anchor;
use super::layout::TrailFiles;
use super::lines::LineReader;

/// `SEQ:HASH` ends in so many hexadecimal digits.
const HASH: usize = 64;

/// An anchor, and on which line of what was read it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedAnchor {
    /// The anchor.
    pub anchor: Anchor,
    /// Counted from 1.
    pub line: usize,
}

/// What became of the record that an anchor names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is there, unchanged.
    There,
    /// Another record has its number, at this place.
    Another(String),
    /// The trail ends before it, with this record.
    AfterTheEnd(u64),
    /// The trail begins after it, with this record.
    BeforeTheBeginning(u64),
    /// It is between records that are there.
    Missing,
}

/// Every anchor in `text`, whatever stands around it: a header's name, a time, the colours of a log. One that stands there
/// more than once is taken once.
#[must_use]
pub fn anchors_in(text: &str) -> Vec<NotedAnchor> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for (number, line) in text.lines().enumerate() {
        let line = without_colours(line);
        for anchor in in_line(&line) {
            if seen.insert((anchor.seq, anchor.hash.clone())) {
                let line = number + 1;
                found.push(NotedAnchor { anchor, line });
            }
        }
    }
    found
}

fn in_line(line: &str) -> Vec<Anchor> {
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    for (colon, _) in line.match_indices(':') {
        let digits = bytes[..colon]
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_digit());
        let from = colon - digits.count();
        let hash = bytes[colon + 1..]
            .iter()
            .take_while(|b| b.is_ascii_hexdigit());
        let to = colon + 1 + hash.count();
        // `sha256:…` is the digest of an image.
        let begins =
            from == 0 || !(bytes[from - 1].is_ascii_alphanumeric() || bytes[from - 1] == b'_');
        let ends = bytes.get(to).is_none_or(|b| !b.is_ascii_alphanumeric());
        if from < colon && to - colon == HASH + 1 && begins && ends {
            found.extend(line[from..to].parse::<Anchor>().ok());
        }
    }
    found
}

/// A line without the sequences by which runners colour their logs.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            plain.push(c);
            continue;
        }
        if rest.next() == Some('[') {
            // Up to the letter that ends it.
            rest.by_ref().find(|c| ('@'..='~').contains(c));
        }
        plain.push(' ');
    }
    plain
}

/// What became of each, in the order in which they were noted. Reads the whole trail at `path`.
///
/// # Errors
/// The trail cannot be read.
pub(super) fn fates(path: &Path, noted: &[NotedAnchor]) -> io::Result<Vec<Fate>> {
    let mut wanted: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (n, noted) in noted.iter().enumerate() {
        wanted.entry(noted.anchor.seq).or_default().push(n);
    }
    let mut fates: Vec<Option<Fate>> = vec![None; noted.len()];
    let (mut first, mut last) = (None, 0);
    for file in TrailFiles::open(path)?.files {
        let mut lines = LineReader::new(file.file)?;
        let mut number = 0;
        while let Some(line) = lines.next()? {
            number += 1;
            let Ok(record) = line.record() else { continue };
            let seq = record.seq;
            first.get_or_insert(seq);
            last = last.max(seq);
            let Some(asked) = wanted.get(&seq) else {
                continue;
            };
            let hash = line.hash();
            for n in asked {
                let there = noted[*n].anchor.hash == hash;
                let fate = match there {
                    true => Fate::There,
                    false => Fate::Another(format!("{} line {number}", file.name)),
                };
                // A number that is there twice is told by the chain.
                if there || fates[*n].is_none() {
                    fates[*n] = Some(fate);
                }
            }
        }
    }
    let absent = |seq: u64| match first {
        Some(first) if seq < first => Fate::BeforeTheBeginning(first),
        Some(_) if seq < last => Fate::Missing,
        Some(_) | None => Fate::AfterTheEnd(last),
    };
    let fates = fates.into_iter().zip(noted);
    Ok(fates
        .map(|(fate, noted)| fate.unwrap_or_else(|| absent(noted.anchor.seq)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_found_in_the_logs_of_pipelines_and_digests_are_none() {
        let (a, b) = ("a1".repeat(32), "B2".repeat(32));
        let text = format!(
            "2026-01-31T12:00:00.1234567Z Dreichor-Audit-Head: 41:{a}\r\n\
             image ghcr.io/x/y:1.0.0@sha256:{a} digest sha256:{b}\n\
             \u{1b}[36;1moperation 0198, audit head 57:{b}\u{1b}[0m\n\
             41:{a} again, 7:{a}ff, x8:{a}, 9:abc\n\
             `58:{a}`"
        );
        let found = anchors_in(&text);
        let shown: Vec<_> = found.iter().map(|one| (one.anchor.seq, one.line)).collect();
        assert_eq!(shown, [(41, 1), (57, 3), (58, 5)]);
        assert_eq!(found[1].anchor.hash, b.to_lowercase());
    }
}
