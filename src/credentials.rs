//! Credentials for the registry, from Docker's own `config.json`, read afresh at every pull so that a
//! `docker login` or a rotated file counts at once.
//!
//! The crate `docker_credential` reads the same file, but runs helpers synchronously, without a deadline
//! and without a way to kill them, and its errors repeat what a helper printed. A helper that hangs would
//! hold up every deployment, and one that fails may print a password: hence this module.

mod config_file;
mod helper;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use config_file::{ConfigFile, Found};
pub use helper::HelperEnvironment;

/// How long a credential helper may take unless the caller says otherwise: it may ask a cloud.
pub const HELPER_DEADLINE: Duration = Duration::from_secs(5);

/// What the engine needs to log in to one registry. `Debug` shows no secret; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub enum RegistryAuth {
    /// User name and password.
    Basic {
        /// The user.
        username: String,
        /// The password or access token.
        password: String,
    },
    /// An OAuth refresh token, as a helper gives it under the user name `<token>`.
    IdentityToken(String),
    /// A bearer token for the registry itself.
    RegistryToken(String),
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic([redacted])",
            Self::IdentityToken(_) => "IdentityToken([redacted])",
            Self::RegistryToken(_) => "RegistryToken([redacted])",
        })
    }
}

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

/// Where registry credentials come from.
#[derive(Debug)]
pub struct RegistryCredentials;

impl RegistryCredentials {
    /// The credentials for `registry_host` (for example `ghcr.io`), `None` when none are configured. A
    /// helper gets `helper_deadline`, then it is killed.
    ///
    /// The order is that of the docker client: the registry's own helper, else the general one, else the
    /// entry in the file. What the first of them does not know, the next ones are not asked.
    ///
    /// Cancel-safe: a running helper is killed when the future is dropped.
    ///
    /// # Errors
    /// [`CredentialsError`]; a missing directory or file is no error.
    pub async fn load(
        docker_config_dir: Option<&Path>,
        registry_host: &str,
        helper_deadline: Duration,
    ) -> Result<Option<RegistryAuth>, CredentialsError> {
        let environment = HelperEnvironment::of_this_process();
        Self::load_with(
            docker_config_dir,
            registry_host,
            helper_deadline,
            &environment,
        )
        .await
    }

    /// Like [`RegistryCredentials::load`], with another environment for helpers.
    ///
    /// # Errors
    /// As there.
    pub async fn load_with(
        docker_config_dir: Option<&Path>,
        registry_host: &str,
        helper_deadline: Duration,
        environment: &HelperEnvironment,
    ) -> Result<Option<RegistryAuth>, CredentialsError> {
        let Some(directory) = docker_config_dir else {
            return Ok(None);
        };
        let Some(file) = ConfigFile::read(directory).await? else {
            return Ok(None);
        };
        match file.find(registry_host)? {
            Found::Nothing => Ok(None),
            Found::Auth(auth) => Ok(Some(auth)),
            Found::Helper { name, server } => {
                helper::get(&name, &server, directory, helper_deadline, environment).await
            }
        }
    }
}

/// What a look at Docker's configuration tells an operator beyond the credentials themselves.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// The helper that is configured for the registry, general or its own.
    pub helper: Option<String>,
    /// Whether `proxies` are set, which the docker client hands on to containers and this agent does not.
    pub proxies: bool,
}

impl RegistryCredentials {
    /// Looks at the configuration without asking a helper.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// As [`RegistryCredentials::load`].
    pub async fn remarks(
        docker_config_dir: Option<&Path>,
        registry_host: &str,
    ) -> Result<Remarks, CredentialsError> {
        let Some(directory) = docker_config_dir else {
            return Ok(Remarks::default());
        };
        let Some(file) = ConfigFile::read(directory).await? else {
            return Ok(Remarks::default());
        };
        let helper = match file.find(registry_host)? {
            Found::Helper { name, .. } => Some(name),
            Found::Nothing | Found::Auth(_) => None,
        };
        Ok(Remarks {
            helper,
            proxies: file.has_proxies(),
        })
    }
}

/// Where Docker's configuration lives: `DOCKER_CONFIG`, else `$HOME/.docker`, else nowhere (a service
/// may have no `HOME`).
pub fn docker_config_dir(lookup: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name| lookup(name).filter(|value| !value.is_empty());
    set("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".docker")))
}
