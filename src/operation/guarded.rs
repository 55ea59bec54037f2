//! Whether anybody but root and the agent's own user could write a file that decides what runs.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::domain::NamedPath;

/// Write permission of the group and of everybody; of an access list it is the mask.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// In such a directory only the owner of a file, or of the directory, may take it away.
const STICKY: u32 = 0o1000;
/// The permission bits of a mode.
const PERMISSIONS: u32 = 0o7777;

/// Why a file could have been written by somebody else. `Display` names it.
#[derive(Debug, Error)]
#[error("{} {}{why}", .file.name, .file.path.display())]
pub struct FileFault {
    /// The file.
    pub file: NamedPath,
    /// What is wrong with it.
    pub why: FileFaultKind,
}

/// What is wrong with the file.
#[derive(Debug, Error)]
pub enum FileFaultKind {
    /// It cannot be seen.
    #[error(": {0}")]
    Unreadable(std::io::Error),
    /// A directory, a pipe, a device.
    #[error(": is not a regular file")]
    NotAFile,
    /// Neither root's nor the agent's.
    #[error(" belongs to user {owner}, who may rewrite it: chown root:root {}", .path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// User id.
        owner: u32,
    },
    /// Its mode lets others write.
    #[error(" has mode {mode:04o}, so that others may write it: chmod go-w {}", .path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A directory above it is neither root's nor the agent's.
    #[error(": {directory} belongs to user {owner}, who may put another file in its place: chown root:root {directory}", directory = .path.display())]
    DirectoryOwner {
        /// The directory.
        path: PathBuf,
        /// User id.
        owner: u32,
    },
    /// The mode of a directory above it lets others write.
    #[error(": {directory} has mode {mode:04o}, so that others may put another file in its place: chmod go-w {directory}", directory = .path.display())]
    DirectoryWritable {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl FileFault {
    /// Whether it is one of whom something belongs to, which may be the agent's own user where root asks.
    #[must_use]
    pub fn is_of_owner(&self) -> bool {
        matches!(
            self.why,
            FileFaultKind::Owner { .. } | FileFaultKind::DirectoryOwner { .. }
        )
    }
}

/// Checks that nobody but root and the agent's user may write a file. Blocks.
///
/// # Errors
/// It is missing or no regular file, belongs to somebody else, or others may write it.
pub fn guarded(file: &NamedPath) -> Result<(), FileFault> {
    let path = file.path.clone();
    let why = match std::fs::metadata(&path) {
        Err(error) => FileFaultKind::Unreadable(error),
        Ok(found) if !found.is_file() => FileFaultKind::NotAFile,
        Ok(found) => {
            let mode = found.mode() & PERMISSIONS;
            if mode & WRITABLE_BY_OTHERS != 0 {
                FileFaultKind::Writable { path, mode }
            } else if let Some(owner) = stranger(&found) {
                FileFaultKind::Owner { path, owner }
            } else {
                return Ok(());
            }
        }
    };
    Err(FileFault {
        file: file.clone(),
        why,
    })
}

/// Checks that nobody but root and the agent's user may put another file in the place of this one: in no directory above
/// it, neither as it is written nor where links lead. Blocks.
///
/// # Errors
/// The first directory in which somebody else may.
pub fn directories_guarded(file: &NamedPath) -> Result<(), FileFault> {
    let written = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
    let leads_to = file.path.canonicalize().unwrap_or_else(|_| written.clone());
    let above = |path: &'_ Path| path.ancestors().skip(1).find_map(open_directory);
    match above(&written).or_else(|| above(&leads_to)) {
        None => Ok(()),
        Some(why) => Err(FileFault {
            file: file.clone(),
            why,
        }),
    }
}

fn open_directory(directory: &Path) -> Option<FileFaultKind> {
    // What cannot be seen from here is not judged.
    let found = directory.metadata().ok()?;
    let path = directory.to_owned();
    let mode = found.mode() & PERMISSIONS;
    if mode & WRITABLE_BY_OTHERS != 0 && mode & STICKY == 0 {
        return Some(FileFaultKind::DirectoryWritable { path, mode });
    }
    let owner = stranger(&found)?;
    Some(FileFaultKind::DirectoryOwner { path, owner })
}

/// Whom it belongs to, where that is neither root nor this process's user.
fn stranger(found: &Metadata) -> Option<u32> {
    let own = rustix::process::geteuid().as_raw();
    Some(found.uid()).filter(|owner| *owner != 0 && *owner != own)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn named(path: impl Into<PathBuf>) -> NamedPath {
        NamedPath::new("RUNTIME_ENV_FILE", path.into())
    }

    fn set_mode(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).expect("set");
    }

    #[test]
    fn a_file_that_others_may_write_is_named_with_what_fixes_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("runtime.env");
        std::fs::write(&file, "A=1\n").expect("written");
        let with_mode = |mode| {
            set_mode(&file, mode);
            guarded(&named(&file)).map_err(|fault| fault.to_string())
        };
        for mode in [0o600, 0o640, 0o444, 0o755] {
            assert_eq!(with_mode(mode), Ok(()), "{mode:o}");
        }
        for mode in [0o620, 0o602, 0o666] {
            let said = with_mode(mode).expect_err("refused");
            let path = file.display();
            assert_eq!(
                said,
                format!(
                    "RUNTIME_ENV_FILE {path} has mode {mode:04o}, so that others may write it: chmod go-w {path}"
                )
            );
        }
        let said = guarded(&named(directory.path())).expect_err("refused");
        assert!(said.to_string().contains("not a regular file"), "{said}");
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        // Root may give a file away; for anybody else the test's own file stands in, which is fine.
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(guarded(&named(file.path())).is_ok());
        if rustix::process::geteuid().is_root() {
            chown(file.path(), Some(12345), None).expect("given away");
            let said = guarded(&named(file.path())).expect_err("refused");
            assert!(said.is_of_owner());
            assert!(said.to_string().contains("belongs to user 12345"), "{said}");
            assert!(said.to_string().contains("chown root:root"), "{said}");
        }
    }

    #[test]
    fn a_directory_in_which_others_may_put_another_file_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let (above, beside) = (
            directory.path().join("above"),
            directory.path().join("beside"),
        );
        create_dir(&above).expect("made");
        create_dir(&beside).expect("made");
        let (file, link) = (above.join("file"), beside.join("link"));
        std::fs::write(&file, "").expect("written");
        symlink(&file, &link).expect("linked");
        let said = |path: &Path| {
            let result = directories_guarded(&named(path));
            result.map_err(|fault| fault.to_string())
        };
        assert_eq!((said(&file), said(&link)), (Ok(()), Ok(())));
        // As /tmp is: nobody takes away there what is not his.
        set_mode(&above, 0o1777);
        assert_eq!(said(&file), Ok(()));
        set_mode(&above, 0o775);
        for path in [&file, &link] {
            let said = said(path).expect_err("refused");
            let fix = format!("chmod go-w {}", above.display());
            assert!(said.contains("mode 0775") && said.ends_with(&fix), "{said}");
        }
        set_mode(&above, 0o755);
        set_mode(&beside, 0o757);
        assert_eq!(said(&file), Ok(()));
        assert!(said(&link).is_err(), "the link can be replaced");
        set_mode(&beside, 0o755);
        if rustix::process::geteuid().is_root() {
            // Its owner may, whatever the bit says.
            set_mode(&above, 0o1755);
            chown(&above, Some(12345), None).expect("given away");
            let fault = directories_guarded(&named(&link)).expect_err("refused");
            assert!(fault.is_of_owner());
            let said = fault.to_string();
            assert!(said.contains("belongs to user 12345"), "{said}");
        }
    }
}
