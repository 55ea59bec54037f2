//! SHA-256 as the trail writes it.

use std::io::{self, Read};

use aws_lc_rs::digest;

/// `prev` of the first record.
pub(super) const NO_RECORD: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";
const BUFFER: usize = 64 * 1024;

/// SHA-256 of `bytes`, in lower-case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-256 of all that `source` gives, and how many bytes these are; each piece is handed to `piece` as well. No more
/// than a buffer of it is in memory.
pub(super) fn sha256_of(
    mut source: impl Read,
    mut piece: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(String, u64)> {
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; BUFFER];
    let mut length = 0;
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => return Ok((hex(digest.finish().as_ref()), length)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(&buffer[..read]);
        piece(&buffer[..read])?;
        length += read as u64;
    }
}

/// `bytes` in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
