//! The registry, asked by the agent itself: for signatures of what the engine has pulled. Read only.
//!
//! The engine pulls; it hands nobody the signatures. So the agent asks the same repository with the same credentials,
//! answers the registry's challenge (a token server, or Basic), and follows redirects to a blob store without them.
//! Plain HTTP is spoken on loopback alone. Everything that is fetched has a bound, and what is asked for by digest is
//! hashed. A registry that does not answer is a [`RegistryError`], never "not signed".
//!
//! [`ask_for_signature`] is one question under one deadline; `search` says where signatures are looked for.

mod address;
mod answer;
mod attached;
mod challenge;
mod client;
mod error;
mod http;
mod oci;
mod search;
mod token;

use std::path::Path;
use std::time::Duration;

use crate::credentials::RegistryCredentials;
use crate::domain::Repository;
use crate::settings::ProxySettings;
use crate::signature::{Expected, PinnedKey, Verdict};

use client::Client;
pub use error::RegistryError;

/// The most that reading credentials may take, helpers included.
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(5);

/// How the registry is reached.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// Directory of Docker's `config.json`, with the credentials.
    pub docker_config: Option<&'a Path>,
    /// Through which proxy, for which hosts.
    pub proxy: &'a ProxySettings,
}

/// Asks the registry whether one of `keys` has signed exactly this. Credentials are read afresh from Docker's
/// configuration.
///
/// Cancel-safe: nothing becomes of it but its answer.
///
/// # Errors
/// The registry, its token server or the credentials' helper refused, failed or did not answer within `limit`.
pub async fn ask_for_signature(
    way: &Way<'_>,
    keys: &[PinnedKey],
    expected: &Expected<'_>,
    limit: Duration,
) -> Result<Verdict, RegistryError> {
    let asking = async {
        let repository = expected.image.repository();
        let mut client = connected(way, repository).await?;
        search::search(&mut client, keys, expected).await
    };
    tokio::time::timeout(limit, asking)
        .await
        .unwrap_or(Err(RegistryError::Deadline(limit)))
}

/// Goes the way of [`ask_for_signature`] without a question: reaches the registry, and is let into the repository.
///
/// Cancel-safe.
///
/// # Errors
/// As there.
pub async fn try_the_way(
    way: &Way<'_>,
    repository: &Repository,
    limit: Duration,
) -> Result<(), RegistryError> {
    let trying = async {
        let mut client = connected(way, repository).await?;
        client.try_the_way().await
    };
    tokio::time::timeout(limit, trying)
        .await
        .unwrap_or(Err(RegistryError::Deadline(limit)))
}

async fn connected(way: &Way<'_>, repository: &Repository) -> Result<Client, RegistryError> {
    let host = repository.host();
    let auth = RegistryCredentials::load(way.docker_config, host, CREDENTIALS_LIMIT).await;
    Client::new(repository, auth?, way.proxy).await
}
