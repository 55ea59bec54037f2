//! The bytes of a settings file, within bounds.

use std::io::{self, Read};
use std::path::Path;

/// In bytes: more than any settings file has, and less than the kernel takes for an environment.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The bytes of a settings file.
///
/// # Errors
/// It is not a regular file (opening a pipe would wait for its writer), cannot be read, or is larger than [`MAX_BYTES`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    std::fs::File::open(path)?
        .take(most + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
