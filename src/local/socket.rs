//! Where the socket is, and how it is made.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::domain::Environment;

/// Its name in its directory.
const NAME: &str = "operator.sock";
/// What the unit asks systemd for (`RuntimeDirectory=dreichor-deploy-agent/%i`).
const RUNTIME_DIRECTORIES: &str = "/run/dreichor-deploy-agent";
/// Where the state is unless the settings say otherwise.
const ENVIRONMENTS: &str = "/opt/dreichor";

/// The socket's file, which goes when this does.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

/// The directory of the running agent's socket: the runtime directory that systemd made for it, else its state
/// directory, which nobody else may enter either.
#[must_use]
pub fn directory(state_directory: &Path) -> PathBuf {
    let given = std::env::var("RUNTIME_DIRECTORY").unwrap_or_default();
    // systemd gives several with colons between them.
    let first = given.split(':').next().unwrap_or_default();
    match Path::new(first) {
        first if first.is_absolute() => first.to_owned(),
        _ => state_directory.to_owned(),
    }
}

/// Where the socket of an environment's agent may be, the likeliest first.
#[must_use]
pub fn paths(environment: Environment) -> [PathBuf; 2] {
    let environment = environment.as_str();
    let state = Path::new(ENVIRONMENTS).join(environment);
    [
        Path::new(RUNTIME_DIRECTORIES).join(environment).join(NAME),
        state.join("deploy-agent/state").join(NAME),
    ]
}

/// Listens in `directory`, of which the caller is the one agent: a socket that is there was left by one that was killed.
///
/// # Errors
/// Something else has its name, or the kernel refuses.
pub fn bind(directory: &Path) -> io::Result<(SocketFile, UnixListener)> {
    let path = directory.join(NAME);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(&path)?,
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(&path)?;
    let file = SocketFile(path);
    fs::set_permissions(&file.0, Permissions::from_mode(0o600))?;
    Ok((file, listener))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            log::debug!("cannot remove {}: {error}", self.0.display());
        }
    }
}
