//! What `check` tells besides what a deploy would need: whether deploys are held, and whether the metrics can be written.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use time::OffsetDateTime;

use crate::freeze::FreezeFile;
use crate::settings::Settings;

/// A sentence each. Nothing is made or changed.
pub(super) fn notes(settings: &Settings) -> Vec<String> {
    let frozen = frozen(&settings.state_directory);
    let metrics = settings.metrics_file.as_deref().and_then(unwritable);
    frozen.into_iter().chain(metrics).collect()
}

/// Only to the directory's own user: the files in it are nobody else's to judge.
fn frozen(state_directory: &Path) -> Option<String> {
    let owner = std::fs::metadata(state_directory).ok()?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return None;
    }
    let file = FreezeFile::new(state_directory.to_owned());
    let frozen = file.frozen(OffsetDateTime::now_utc())?;
    Some(format!("{frozen}; stops are not"))
}

/// It is replaced by a rename, so that its directory counts.
fn unwritable(file: &Path) -> Option<String> {
    let directory = file.parent()?;
    let access = rustix::fs::access(directory, rustix::fs::Access::WRITE_OK);
    let error = access.err()?;
    let path = directory.display();
    Some(format!(
        "METRICS_FILE cannot be written, which fails no deploy: {path}: {error}"
    ))
}
