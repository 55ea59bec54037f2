//! What `check` tells besides what a deploy would need: whether deploys are held, whether the metrics can be written, and
//! whether others may read what is secret.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use time::OffsetDateTime;

use crate::freeze::FreezeFile;
use crate::settings::Settings;

/// A sentence each. Nothing is made or changed.
pub(super) fn notes(settings: &Settings) -> Vec<String> {
    let frozen = frozen(&settings.state_directory);
    let metrics = settings.metrics_file.as_deref().and_then(unwritable);
    let readable = readable(&settings.runtime.env_file);
    frozen.into_iter().chain(metrics).chain(readable).collect()
}

/// It holds the database's password.
fn readable(runtime_env: &Path) -> Option<String> {
    const BY_OTHERS: u32 = 0o044;
    let mode = std::fs::metadata(runtime_env).ok()?.mode() & 0o7777;
    let path = runtime_env.display();
    (mode & BY_OTHERS != 0).then(|| {
        format!("RUNTIME_ENV_FILE {path} has mode {mode:04o}, so that others may read what is secret in it: chmod go-r {path}")
    })
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
