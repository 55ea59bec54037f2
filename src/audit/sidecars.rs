//! The files that records refer to: ledgers, and bytes that were no record.

use std::io;
use std::path::Path;

use super::hash::sha256_of;
use super::ledger;
use super::quarantine::is_small;
use super::record::{Line, Text};
use super::regular::open_regular;

/// Why the file that a record refers to does not count.
pub(super) enum Unproven {
    /// It is not there any more.
    Gone(String),
    /// It is not what was written.
    Changed(String),
}

/// Whether the file that `record` refers to is in `directory` and what it was; nothing for a record that refers to none.
///
/// # Errors
/// What is wrong with it, in words for a person.
pub(super) fn check(directory: &Path, record: &Line<'_>) -> Result<(), Unproven> {
    match record.event.as_ref() {
        "trail_continued" => match &record.ledger {
            Some(reference) => ledger::checked(directory, reference)
                .map(drop)
                .map_err(Unproven::Changed),
            None => Err(Unproven::Changed("names no ledger".to_owned())),
        },
        "torn_line_kept_aside" => kept_aside(directory, record),
        _ => Ok(()),
    }
}

fn kept_aside(directory: &Path, record: &Line<'_>) -> Result<(), Unproven> {
    let name = record.file.as_ref().map_or("", Text::as_str);
    if name.contains('/') || name.is_empty() {
        let what = format!("`{name}` is not the name of a file of the trail");
        return Err(Unproven::Changed(what));
    }
    let found = open_regular(&directory.join(name)).and_then(|file| {
        is_small(&file)?;
        sha256_of(file, |_| Ok(()))
    });
    let found = found.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unproven::Gone(format!("{name}: {error}")),
        _ => Unproven::Changed(format!("{name}: {error}")),
    })?;
    match record.sha256.as_ref().map(Text::as_str) {
        Some(hash) if hash == found.0 => Ok(()),
        _ => Err(Unproven::Changed(format!(
            "{name} is not what was kept aside"
        ))),
    }
}
