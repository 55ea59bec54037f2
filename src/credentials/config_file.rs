//! Docker's `config.json`, as far as it speaks of registries.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::AsyncReadExt;

use super::error::CredentialsError;
use super::registry_auth::RegistryAuth;

/// A real one has a few KiB.
const SIZE_LIMIT: u64 = 1024 * 1024;

/// The name under which the docker client keeps Docker Hub's credentials.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What the file says about one registry.
pub(super) enum Found {
    Nothing,
    Auth(RegistryAuth),
    /// Ask this helper for this server.
    Helper {
        name: String,
        server: String,
    },
}

/// The file, parsed.
pub(super) struct ConfigFile {
    path: PathBuf,
    content: Content,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default, rename = "credHelpers")]
    helpers: Option<HashMap<String, String>>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
    /// Entries are kept raw: a broken one for another registry is none of our business.
    #[serde(default)]
    auths: Option<HashMap<String, serde_json::Value>>,
    /// For containers that the docker client makes.
    #[serde(default)]
    proxies: Option<HashMap<String, IgnoredAny>>,
}

/// One entry of `auths`. With a general helper Docker leaves empty ones behind.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

impl ConfigFile {
    /// `None` when there is no such file.
    pub(super) async fn read(directory: &Path) -> Result<Option<Self>, CredentialsError> {
        let path = directory.join("config.json");
        let mut json = Vec::new();
        let read = async {
            let file = tokio::fs::File::open(&path).await?;
            file.take(SIZE_LIMIT + 1).read_to_end(&mut json).await
        };
        match read.await {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(error) => {
                return Err(CredentialsError::Unreadable {
                    path,
                    kind: error.kind(),
                });
            }
            Ok(_) => {}
        }
        if json.len() as u64 > SIZE_LIMIT {
            return Err(CredentialsError::Invalid {
                path,
                what: "it is too long",
            });
        }
        let content = match serde_json::from_slice(&json) {
            Ok(content) => content,
            // serde's own message quotes the value that it tripped over.
            Err(_) => {
                let json = serde_json::from_slice::<IgnoredAny>(&json).is_ok();
                let what = if json {
                    "a part of it has the wrong type"
                } else {
                    "it is not JSON"
                };
                return Err(CredentialsError::Invalid { path, what });
            }
        };
        Ok(Some(Self { path, content }))
    }

    pub(super) fn has_proxies(&self) -> bool {
        self.content
            .proxies
            .as_ref()
            .is_some_and(|proxies| !proxies.is_empty())
    }

    pub(super) fn find(&self, registry: &str) -> Result<Found, CredentialsError> {
        let key = match registry {
            "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
            other => other,
        };
        if let Some(name) = self.helper(key) {
            let valid =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            if !name.bytes().all(valid) {
                return Err(self.invalid("the name of a credential helper holds odd characters"));
            }
            return Ok(Found::Helper {
                name: name.to_owned(),
                server: key.to_owned(),
            });
        }
        match self.entry(key) {
            Some(entry) => self.auth(entry),
            None => Ok(Found::Nothing),
        }
    }

    /// The registry's own helper, else the general one. An empty name switches a helper off.
    fn helper(&self, key: &str) -> Option<&str> {
        let own = self
            .content
            .helpers
            .as_ref()
            .and_then(|helpers| helpers.get(key));
        own.or(self.content.store.as_ref())
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    /// By the exact name, else by the host of the name: older clients wrote whole addresses.
    fn entry(&self, key: &str) -> Option<&serde_json::Value> {
        let auths = self.content.auths.as_ref()?;
        let mut same_host: Vec<_> = auths
            .iter()
            .filter(|(name, _)| host(name) == host(key))
            .collect();
        // Several addresses of one host: always take the same one.
        same_host.sort_by_key(|(name, _)| name.as_str());
        auths
            .get(key)
            .or_else(|| same_host.first().map(|(_, entry)| *entry))
    }

    fn auth(&self, entry: &serde_json::Value) -> Result<Found, CredentialsError> {
        let entry = Entry::deserialize(entry)
            .map_err(|_| self.invalid("the entry of the registry has the wrong type"))?;
        if !entry.registrytoken.is_empty() {
            return Ok(Found::Auth(RegistryAuth::RegistryToken(
                entry.registrytoken,
            )));
        }
        if !entry.identitytoken.is_empty() {
            return Ok(Found::Auth(RegistryAuth::IdentityToken(
                entry.identitytoken,
            )));
        }
        let (username, password) = match entry.auth.is_empty() {
            true => (entry.username, entry.password),
            false => decode(&entry.auth).ok_or_else(|| {
                self.invalid("the auth of the registry is not the base64 of user:password")
            })?,
        };
        Ok(match username.is_empty() && password.is_empty() {
            true => Found::Nothing,
            false => Found::Auth(RegistryAuth::Basic { username, password }),
        })
    }

    fn invalid(&self, what: &'static str) -> CredentialsError {
        CredentialsError::Invalid {
            path: self.path.clone(),
            what,
        }
    }
}

/// As the docker client does: line ends are no part of the base64 (`base64` wraps it after 76 characters), split at the
/// first colon, and trailing NULs are no part of the password.
fn decode(auth: &str) -> Option<(String, String)> {
    let auth = auth.replace(['\r', '\n'], "");
    let text = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
    let (username, password) = text
        .split_once(':')
        .filter(|(username, _)| !username.is_empty())?;
    Some((
        username.to_owned(),
        password.trim_end_matches('\0').to_owned(),
    ))
}

/// `ghcr.io` of `https://ghcr.io/v1/`.
fn host(name: &str) -> &str {
    let name = name
        .strip_prefix("https://")
        .or_else(|| name.strip_prefix("http://"))
        .unwrap_or(name);
    name.split('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_base64_is_read_as_docker_reads_it() {
        let password = "p".repeat(200);
        let plain = STANDARD.encode(format!("me:{password}"));
        let expected = Some(("me".to_owned(), password));
        assert!(plain.len() > 3 * 76);
        for line_end in ["\n", "\r\n"] {
            let lines: Vec<_> = plain.as_bytes().chunks(76).collect();
            let wrapped = lines.join(line_end.as_bytes());
            let wrapped = String::from_utf8(wrapped).expect("ASCII") + line_end;
            assert_eq!(decode(&wrapped), expected);
        }
        assert_eq!(decode(&plain), expected);
        for bad in [format!(" {plain}"), format!("{plain}\t")] {
            assert_eq!(decode(&bad), None, "other white space is none of it");
        }
    }
}
