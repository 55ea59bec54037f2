//! Where the key set comes from.
use std::path::PathBuf;

/// Where the key set comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// An `https://` address, or `http://127.0.0.1`.
    Url(String),
    /// A local file, for hosts without a way out.
    File(PathBuf),
}
