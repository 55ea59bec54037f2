//! Files that only the agent may reach: how they are opened, checked and replaced.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::error::TrailError;
use super::regular;

/// Makes `path` with mode 0700 if it is missing, and refuses it if others may enter it.
pub(super) fn own_directory(path: &Path) -> Result<(), TrailError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| TrailError::io("make", parent, &e))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made
            .and_then(|()| path.parent().map_or(Ok(()), sync_directory))
            .map_err(|e| TrailError::io("make", path, &e))?,
    }
    let found = fs::metadata(path).map_err(|e| TrailError::io("read", path, &e))?;
    if !found.is_dir() {
        return Err(TrailError::Io {
            act: "use",
            path: path.to_owned(),
            kind: io::ErrorKind::NotADirectory,
            message: "it is not a directory".to_owned(),
        });
    }
    only_ours(path, &found, 0o700)
}

/// Opens `path` as `how` says, without following a link, and refuses it unless it is a regular file
/// that nobody but the agent may reach. A file that this makes has mode 0600.
pub(super) fn open_own(path: &Path, how: &OpenOptions) -> Result<File, TrailError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = how
        .clone()
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| {
            let odd = fs::symlink_metadata(path).is_ok_and(|found| !found.is_file());
            if odd {
                TrailError::NotAFile(path.to_owned())
            } else {
                TrailError::io("open", path, &error)
            }
        })?;
    let found = file
        .metadata()
        .map_err(|e| TrailError::io("read", path, &e))?;
    if !found.is_file() {
        return Err(TrailError::NotAFile(path.to_owned()));
    }
    only_ours(path, &found, 0o600)?;
    Ok(file)
}

pub(super) fn only_ours(path: &Path, found: &fs::Metadata, wanted: u32) -> Result<(), TrailError> {
    let agent = rustix::process::geteuid().as_raw();
    if found.uid() != agent {
        return Err(TrailError::WrongOwner {
            path: path.to_owned(),
            owner: found.uid(),
            agent,
        });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(TrailError::TooOpen {
            path: path.to_owned(),
            mode,
            wanted,
        });
    }
    Ok(())
}

/// The bytes of a small file of the agent's own; `None` when there is none.
///
/// # Errors
/// As [`open_own`], or it holds more than `limit` bytes.
pub(crate) fn read_own(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, TrailError> {
    let file = match open_own(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(TrailError::Io {
            kind: io::ErrorKind::NotFound,
            ..
        }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let read = regular::read_bounded(&file, limit);
    read.map(Some).map_err(|e| TrailError::io("read", path, &e))
}

/// Puts a file of mode 0600 with these bytes at `directory/name`: whole or not at all.
pub(crate) fn replace(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), TrailError> {
    replace_by(directory, name, |file| file.write_all(bytes))
}

/// The same with what `write` writes, and what it says about it.
pub(super) fn replace_by<T>(
    directory: &Path,
    name: &str,
    write: impl FnOnce(&mut File) -> io::Result<T>,
) -> Result<T, TrailError> {
    let path = directory.join(name);
    let fresh = directory.join(format!("{name}.new"));
    let written = write_fresh(&fresh, write).and_then(|said| {
        fs::rename(&fresh, &path)?;
        sync_directory(directory)?;
        Ok(said)
    });
    written.map_err(|error| {
        if let Err(left) = fs::remove_file(&fresh)
            && left.kind() != io::ErrorKind::NotFound
        {
            log::warn!("cannot remove {}: {left}", fresh.display());
        }
        TrailError::io("write", path, &error)
    })
}

fn write_fresh<T>(path: &Path, write: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    let mut file = fresh(path, 0o600)?;
    let said = write(&mut file)?;
    file.sync_all()?;
    Ok(said)
}

/// A new file of this mode, whatever the process's mask, in the place of what an earlier try has left there. It is
/// created and never opened, so that it leads nowhere else.
pub(crate) fn fresh(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

/// Takes `directory/name` away, durably; none there is as good.
pub(crate) fn remove(directory: &Path, name: &str) -> Result<(), TrailError> {
    let path = directory.join(name);
    let removed = match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    removed
        .and_then(|()| sync_directory(directory))
        .map_err(|error| TrailError::io("remove", path, &error))
}

/// Makes the names in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
