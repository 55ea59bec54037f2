//! `deploy-agent hash-secret`: turns a token's secret into what the settings may hold.

use std::io::Read;

use aws_lc_rs::digest::{SHA256, digest};
use thiserror::Error;

/// A real secret has 64 characters; whatever is longer than this is some other file.
const LIMIT: u64 = 4096;

/// Why no hash was made.
#[derive(Debug, Error)]
pub enum HashSecretError {
    /// Reading failed.
    #[error("the secret could not be read: {0}")]
    Read(#[from] std::io::Error),
    /// Nothing, or only a line end, was given.
    #[error("the secret is empty")]
    Empty,
    /// More than one line, surrounding blanks, or far too long: the agent could never receive it.
    #[error("the secret must be one line of visible ASCII characters without blanks")]
    NotASecret,
}

/// The hexadecimal SHA-256 of the secret read to the end of `input`, less one trailing newline.
///
/// # Errors
/// [`HashSecretError`]; none of them repeats what was read.
pub fn hash_secret(input: impl Read) -> Result<String, HashSecretError> {
    let mut secret = Vec::new();
    input.take(LIMIT + 1).read_to_end(&mut secret)?;
    let line = secret.strip_suffix(b"\n").unwrap_or(&secret);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(HashSecretError::Empty);
    }
    if secret.len() as u64 > LIMIT || !line.iter().all(u8::is_ascii_graphic) {
        return Err(HashSecretError::NotASecret);
    }
    let hex = digest(&SHA256, line)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(hex)
}
