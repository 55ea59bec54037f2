//! Finds the credentials of one registry: the file first, then the helper that it names.

use std::path::Path;
use std::time::Duration;

use super::config_file::{ConfigFile, Found};
use super::error::CredentialsError;
use super::helper::{self, HelperEnvironment};
use super::registry_auth::RegistryAuth;

/// How long a credential helper may take unless the caller says otherwise: it may ask a cloud.
pub const HELPER_DEADLINE: Duration = Duration::from_secs(5);

/// Where registry credentials come from.
#[derive(Debug)]
pub struct RegistryCredentials;

/// What Docker's configuration says of one registry. The default is what a host without that file has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// The credentials; none means that pulls are anonymous.
    pub auth: Option<RegistryAuth>,
    /// The helper that was asked, the general one or the registry's own.
    pub helper: Option<String>,
    /// Whether `proxies` are set, which the docker client hands on to containers and this agent does not.
    pub proxies: bool,
}

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
        let found = Self::look_up(docker_config_dir, registry_host, helper_deadline).await?;
        Ok(found.auth)
    }

    /// Like [`RegistryCredentials::load`], with what else the file says; the file is read once.
    ///
    /// Cancel-safe as there.
    ///
    /// # Errors
    /// As there.
    pub async fn look_up(
        docker_config_dir: Option<&Path>,
        registry_host: &str,
        helper_deadline: Duration,
    ) -> Result<Lookup, CredentialsError> {
        let environment = HelperEnvironment::of_this_process();
        Self::look_up_with(
            docker_config_dir,
            registry_host,
            helper_deadline,
            &environment,
        )
        .await
    }

    /// Like [`RegistryCredentials::look_up`], with another environment for helpers.
    ///
    /// Cancel-safe as there.
    ///
    /// # Errors
    /// As there.
    pub async fn look_up_with(
        docker_config_dir: Option<&Path>,
        registry_host: &str,
        helper_deadline: Duration,
        environment: &HelperEnvironment,
    ) -> Result<Lookup, CredentialsError> {
        let Some(directory) = docker_config_dir else {
            return Ok(Lookup::default());
        };
        let Some(file) = ConfigFile::read(directory).await? else {
            return Ok(Lookup::default());
        };
        let (auth, helper) = match file.find(registry_host)? {
            Found::Nothing => (None, None),
            Found::Auth(auth) => (Some(auth), None),
            Found::Helper { name, server } => {
                let asked =
                    helper::get(&name, &server, directory, helper_deadline, environment).await?;
                (asked, Some(name))
            }
        };
        Ok(Lookup {
            auth,
            helper,
            proxies: file.has_proxies(),
        })
    }
}
