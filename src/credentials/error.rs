//! Why there are no credentials.

use std::path::PathBuf;

use thiserror::Error;

/// Why there are no credentials although the configuration speaks of some. Never holds their content.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum CredentialsError {
    /// The file is there and cannot be read.
    #[error("{path} could not be read: {kind}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        kind: std::io::ErrorKind,
    },
    /// The file, or its entry for the registry, is not what Docker writes.
    #[error("{path} is not a valid Docker configuration: {what}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Which part.
        what: &'static str,
    },
    /// A credential helper did not give credentials.
    #[error("the credential helper docker-credential-{helper} {what}")]
    Helper {
        /// The helper's name.
        helper: String,
        /// What it did.
        what: &'static str,
    },
}
