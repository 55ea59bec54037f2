//! How the file gets there: whole or not at all, and readable by the exporter.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::audit;

/// The exporter runs as a user of its own.
const MODE: u32 = 0o644;

/// The file that `METRICS_FILE` names.
#[derive(Debug, Clone)]
pub struct MetricsFile(PathBuf);

impl MetricsFile {
    /// The file of this path, whether it is there or not.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Puts these bytes in its place at once. Blocks. Not made durable: it tells of now.
    ///
    /// # Errors
    /// The directory is missing, is not the agent's to write, or its disk is full; names the file.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let fresh = self.fresh();
        let written = audit::fresh(&fresh, MODE)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&fresh, &self.0));
        written.map_err(|error| {
            // What was begun may not even be there.
            fs::remove_file(&fresh).ok();
            io::Error::new(error.kind(), format!("{}: {error}", self.0.display()))
        })
    }

    /// Takes it away: what it says is no longer true when the agent has ended.
    pub fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("METRICS_FILE {}: {error}", self.0.display());
        }
    }

    /// The exporter reads what ends in `.prom`, and this does not.
    fn fresh(&self) -> PathBuf {
        self.0.with_extension("prom.new")
    }
}
