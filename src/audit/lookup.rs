//! Questions to a trail that its writer does not keep in memory; read beside whoever writes.

use std::fs;
use std::io;
use std::path::Path;

use super::doubt::Doubt;
use super::layout::TrailFiles;
use super::lines::LineReader;
use super::state::State;

/// What is doubted in the state directory `path`, read beside whoever writes there. `None` where there is no trail yet.
///
/// # Errors
/// The trail is there and cannot be read.
pub fn doubts_of(path: &Path) -> io::Result<Option<Vec<Doubt>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(named(path, &error)),
        Ok(_) => {}
    }
    let Some(newest) = TrailFiles::open(path)?.files.pop() else {
        return Ok(None);
    };
    // The first record of a file carries on what was doubted before.
    let mut state = State::new();
    let mut lines = LineReader::new(newest.file)?;
    while let Some(line) = lines.next()? {
        if let Ok(record) = line.record() {
            let now = state.newest.clone();
            state.apply(&record, now);
        }
    }
    Ok(Some(state.doubts.get()))
}

/// Whether the trail in `directory` has begun the deploy `operation`, or an operator has acknowledged that it has not.
/// Reads the newest file first; a trail that does not know it is read as a whole.
///
/// # Errors
/// The trail cannot be read.
pub(super) fn knows_operation(directory: &Path, operation: &str) -> io::Result<bool> {
    for file in TrailFiles::open(directory)?.files.into_iter().rev() {
        let mut lines = LineReader::new(file.file)?;
        while let Some(line) = lines.next()? {
            let named = std::str::from_utf8(line.bytes()).is_ok_and(|l| l.contains(operation));
            let Some(record) = named.then(|| line.record().ok()).flatten() else {
                continue;
            };
            let known = match record.event.as_ref() {
                "operation_started" => record
                    .operation
                    .is_some_and(|known| known.as_str() == operation),
                "ledger_acknowledged" => record
                    .doubts
                    .iter()
                    .any(|doubt| doubt.container_operation.as_deref() == Some(operation)),
                _ => false,
            };
            if known {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
