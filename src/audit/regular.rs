//! Files that others may have put there: opened without waiting, read up to a bound.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file for reading, whoever owns it.
///
/// # Errors
/// There is none, or it is a pipe, a device, a directory or a symbolic link.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let odd = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    // Without NONBLOCK a pipe is waited for; without NOFOLLOW a link leads anywhere.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::LOOP) => {
            return Err(odd());
        }
        opened => opened?,
    };
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(odd())
    }
}

/// The bytes of a regular file.
///
/// # Errors
/// As [`open_regular`], or it holds more than `limit` bytes.
pub(super) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_bounded(&open_regular(path)?, limit)
}

/// The bytes of `file` from where it stands.
///
/// # Errors
/// It holds more than `limit` bytes, or cannot be read.
pub(super) fn read_bounded(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let too_large = || {
        let message = format!("larger than {limit} bytes");
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    };
    let mut from_here = file;
    let position = from_here.stream_position()?;
    if file.metadata()?.len().saturating_sub(position) > limit {
        return Err(too_large());
    }
    // It may grow meanwhile.
    let mut bytes = Vec::new();
    from_here.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}
