//! What `check` tells besides what a deploy would need: what it ignores, whether the metrics can be written, whether others may read what is
//! secret, and whether deploys are held.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use time::OffsetDateTime;

use crate::freeze::{FreezeFile, Frozen};
use crate::settings::Settings;

/// A sentence each. Nothing is made or changed.
pub(super) fn notes(settings: &Settings, env_file: Option<&Path>) -> Vec<String> {
    let ignored = Settings::ignored(env_file);
    let metrics = settings.metrics_file.as_deref().and_then(unwritable);
    let readable = readable(&settings.runtime.env_file);
    ignored.into_iter().chain(metrics).chain(readable).collect()
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

/// The freeze that holds. Only to the directory's own user: the files in it are nobody else's to judge.
pub(super) fn frozen(state_directory: &Path) -> Option<Frozen> {
    let owner = std::fs::metadata(state_directory).ok()?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return None;
    }
    FreezeFile::new(state_directory.to_owned()).frozen(OffsetDateTime::now_utc())
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
