//! `deploy-agent verify`: is this the trail that was written?

use std::io::{self, Write};
use std::path::PathBuf;

use super::anchor::Anchor;
use super::anchors::{self, Fate, NotedAnchor};
use super::bounds::obeyed_by_terminals;
use super::head::Head;
use super::layout::{NEWEST, TrailFile, TrailFiles};
use super::lines::LineReader;
use super::record::{Line, NotARecord, Text};
use super::sidecars::{self, Unproven};
use super::verifier::{Verifier, Violation};

/// What to check.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// A state directory, a copy of one, or a single file of a trail.
    pub path: PathBuf,
    /// A record that must be in it, noted elsewhere (the journal) when it was written.
    pub expect: Option<Anchor>,
    /// Records that must be in it, each with an answer of its own.
    pub anchors: Vec<NotedAnchor>,
    /// In a directory: do not mind that the oldest files have been taken away.
    pub partial: bool,
}

/// What `verify` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every record is there and unchanged, as far as the chain, the head and what is expected reach.
    Intact,
    /// At least one line is not what was written.
    Broken,
}

/// Checks the trail at `options.path` and says in `out` what was found: the file and line that breaks it first, or how
/// far it is intact. Works beside a running agent, takes no lock, blocks for as long as reading takes.
///
/// # Errors
/// The trail cannot be read, or `out` cannot be written.
pub fn verify(options: &VerifyOptions, out: &mut impl Write) -> io::Result<Verdict> {
    // Before the files: what is durable by now must be found in them.
    let head = Head::read(&options.path);
    let trail = TrailFiles::open(&options.path)?;
    let mut check = Check::new(options, &trail);
    let broken = check.all(head, trail)?.err();
    let proven = tell_anchors(options, out)?;
    for note in &check.notes {
        writeln!(out, "note: {}", harmless(note))?;
    }
    if let Some(violation) = broken.or(check.recorded) {
        writeln!(out, "broken: {}", harmless(&violation.to_string()))?;
        return Ok(Verdict::Broken);
    }
    if !proven {
        return Ok(Verdict::Broken);
    }
    let (records, first) = check.verifier.read();
    let (first, last) = (first.unwrap_or(0), check.verifier.last());
    let seq = last.seq;
    writeln!(
        out,
        "intact: {records} records, seq {first}..{seq}, head {last}"
    )?;
    Ok(Verdict::Intact)
}

/// Says what became of each anchor; whether all of them are there.
fn tell_anchors(options: &VerifyOptions, out: &mut impl Write) -> io::Result<bool> {
    if options.anchors.is_empty() {
        return Ok(true);
    }
    let fates = anchors::fates(&options.path, &options.anchors)?;
    for (NotedAnchor { anchor, line }, fate) in options.anchors.iter().zip(&fates) {
        let seq = anchor.seq;
        let fate = match fate {
            Fate::There => format!("record {seq} is there, unchanged"),
            Fate::Another(at) => format!("NOT PROVEN: record {seq} is another one, {at}"),
            Fate::AfterTheEnd(last) => {
                format!("NOT PROVEN: record {seq} is missing, the trail ends with record {last}")
            }
            Fate::BeforeTheBeginning(first) => {
                format!("NOT PROVEN: record {seq} is missing, the oldest here is record {first}")
            }
            Fate::Missing => format!("NOT PROVEN: record {seq} is missing"),
        };
        writeln!(out, "anchor of line {line}: {}", harmless(&fate))?;
    }
    let proven = fates.iter().filter(|fate| **fate == Fate::There).count();
    writeln!(out, "anchors: {proven} of {} proven", fates.len())?;
    Ok(proven == fates.len())
}

/// All lines of a trail, up to the first that breaks it.
struct Check<'o> {
    options: &'o VerifyOptions,
    /// A single file, without the others of its trail.
    alone: bool,
    verifier: Verifier,
    /// The first damage that the agent itself saw and recorded.
    recorded: Option<Violation>,
    notes: Vec<String>,
}

impl<'o> Check<'o> {
    fn new(options: &'o VerifyOptions, trail: &TrailFiles) -> Self {
        let alone = trail.directory.is_none();
        let mut verifier = Verifier::new(alone || options.partial);
        if let Some(expected) = &options.expect {
            verifier.expect(expected);
        }
        Self {
            options,
            alone,
            verifier,
            recorded: None,
            notes: Vec::new(),
        }
    }

    fn all(&mut self, head: Head, trail: TrailFiles) -> io::Result<Result<(), Violation>> {
        if !self.alone && !trail.newest {
            let newest = self.options.path.join(NEWEST);
            let what = format!("{} is missing", newest.display());
            return Ok(Err(Violation::new(what)));
        }
        // A missing head is told last: a line that was changed says more.
        let head = match self.alone {
            true => Ok(()),
            false => self.verifier.expect_head(&head),
        };
        let count = trail.files.len();
        for (n, TrailFile { name, file, .. }) in trail.files.into_iter().enumerate() {
            self.verifier.begin_file(&name);
            let newest = n + 1 == count;
            if let Err(violation) = self.file(&name, LineReader::new(file)?, newest)? {
                return Ok(Err(violation));
            }
        }
        Ok(self.verifier.conclude().and(head))
    }

    fn file(
        &mut self,
        name: &str,
        mut lines: LineReader,
        newest: bool,
    ) -> io::Result<Result<(), Violation>> {
        let mut empty = true;
        while let Some(line) = lines.next()? {
            empty = false;
            match self.verifier.take(line) {
                Ok((_, Some(violation))) => return Ok(Err(violation)),
                Ok((record, None)) => {
                    if let Err(violation) = self.refers_to(&record) {
                        return Ok(Err(violation));
                    }
                }
                Err(why @ NotARecord::NoEnd(_)) if newest => {
                    let what = self.verifier.not_a_record(&why);
                    let reason = "a record that is being written, or that a crash cut short";
                    self.notes.push(format!("{what}: {reason}"));
                }
                Err(why) => return Ok(Err(self.verifier.not_a_record(&why))),
            }
        }
        if empty && !newest {
            return Ok(Err(Violation::new(format!("{name} is empty"))));
        }
        Ok(Ok(()))
    }

    /// What a record says about other files, and about damage seen before.
    fn refers_to(&mut self, record: &Line<'_>) -> Result<(), Violation> {
        let at = self.verifier.at();
        if record.event == "trail_damaged" {
            let problem = record.problem.as_ref().map_or("", Text::as_str);
            let what = format!("{at}: the agent found damage when it started: {problem}");
            self.recorded.get_or_insert(Violation::new(what));
        }
        if self.alone {
            return Ok(());
        }
        match sidecars::check(&self.options.path, record) {
            Ok(()) => Ok(()),
            // Together with the oldest files the bytes kept aside in their time may have gone.
            Err(Unproven::Gone(why)) if self.options.partial => {
                self.notes.push(format!("{at}: {why}"));
                Ok(())
            }
            Err(Unproven::Gone(why) | Unproven::Changed(why)) => {
                Err(Violation::new(format!("{at}: {why}")))
            }
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
