//! Where the engine is, and what it takes to reach it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::reader::{Reader, absolute};
use crate::way_out::{authority_of, host_of, is_loopback};

/// What an address of the engine may begin with.
const SCHEMES: [&str; 4] = ["unix://", "tcp://", "http://", "https://"];

/// Where Docker listens unless told otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Docker client settings.
#[derive(Debug, Clone, Default)]
pub struct EngineSettings {
    /// `DOCKER_HOST`; none means the default socket.
    pub docker_host: Option<EngineAddress>,
    /// Directory of Docker's `config.json`; none means there are no credentials.
    pub docker_config: Option<PathBuf>,
    /// Directory of `key.pem`, `cert.pem` and `ca.pem` for an engine behind TLS (`DOCKER_CERT_PATH`).
    pub tls_directory: Option<PathBuf>,
    /// Whether an engine on another host may be spoken to in clear (`DOCKER_ALLOW_PLAIN_TCP`).
    pub allow_plain_tcp: bool,
}

/// The address of an engine, which may hold a user and a password: neither `Debug` nor `Display` shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct EngineAddress(String);

impl EngineAddress {
    /// Takes an address with a scheme that can be connected to.
    ///
    /// # Errors
    /// It begins with another one.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must begin with unix://, tcp://, http:// or https://")
        }
    }

    /// Whether it is neither a socket nor on this host's loopback, and does not ask for TLS itself.
    fn is_plain_elsewhere(&self) -> bool {
        let own = |authority: &str| is_loopback(host_of(authority));
        !self.0.starts_with("https://") && self.authority().is_some_and(|at| !own(at))
    }

    /// `host:port`, without a user; none of a socket.
    fn authority(&self) -> Option<&str> {
        authority_of(&self.0).filter(|_| !self.0.starts_with("unix://"))
    }

    /// The address with its password: to connect, and for a keyed fingerprint; never to be shown.
    #[must_use]
    pub fn with_password(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.0))
    }
}

impl fmt::Debug for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", without_password(&self.0))
    }
}

impl EngineSettings {
    /// The engine's socket: where Docker has it unless `DOCKER_HOST` names another, also beside an engine elsewhere.
    pub(super) fn socket(&self) -> &Path {
        let address = self.docker_host.as_ref().map(|address| address.0.as_str());
        let path = address.and_then(|address| address.strip_prefix("unix://"));
        Path::new(path.unwrap_or(DEFAULT_SOCKET))
    }

    /// Whether the address is a socket of this host.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let address = self.docker_host.as_ref();
        address.is_none_or(|address| address.0.starts_with("unix://"))
    }

    /// `host:port` of an engine that is reached by TCP.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.docker_host.as_ref()?.authority()
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let home = reader.text("HOME").and_then(|home| absolute(&home).ok());
        let docker_config = reader
            .optional("DOCKER_CONFIG", absolute)
            .or_else(|| home.map(|home| home.join(".docker")));
        let settings = Self {
            docker_host: reader.optional("DOCKER_HOST", EngineAddress::parse),
            docker_config,
            tls_directory: reader.optional("DOCKER_CERT_PATH", absolute),
            allow_plain_tcp: reader.flag("DOCKER_ALLOW_PLAIN_TCP", false),
        };
        settings.refuse_plain_tcp(reader);
        settings
    }

    /// The environment of the runtime and the registry's login would travel in clear, and whoever is between could have
    /// any container started.
    fn refuse_plain_tcp(&self, reader: &mut Reader<'_>) {
        let host = self.docker_host.as_ref();
        let plain = host.is_some_and(EngineAddress::is_plain_elsewhere);
        if plain && self.tls_directory.is_none() && !self.allow_plain_tcp {
            let message = "reaches another host without TLS: set DOCKER_CERT_PATH, or DOCKER_ALLOW_PLAIN_TCP=true if everybody on the way may read runtime.env";
            reader.problem("DOCKER_HOST", message);
        }
    }
}

/// A URL without what may be secret in it: everything up to the last `@`, because a password that was not escaped may
/// hold whatever seems to end the authority, and what follows a `?`.
pub(super) fn without_password(url: &str) -> String {
    if url.starts_with("unix://") {
        return url.to_owned();
    }
    let begin = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(begin);
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("***@", rest),
        None => ("", rest),
    };
    match rest.split_once('?') {
        Some((rest, _)) => format!("{scheme}{user}{rest}?***"),
        None => format!("{scheme}{user}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{EngineAddress, without_password};

    #[test]
    fn an_engines_address_is_shown_without_its_password() {
        for (url, masked) in [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375"),
            ("https://me:s3cret@host:2376/x", "https://***@host:2376/x"),
            ("tcp://me:p/s?s#w@host:1", "tcp://***@host:1"),
            ("tcp://host:1?token=s3cret", "tcp://host:1?***"),
            ("unix:///srv/a@b.sock", "unix:///srv/a@b.sock"),
            ("tcp://me:p@ss@host:1", "tcp://***@host:1"),
        ] {
            assert_eq!(without_password(url), masked);
            let address = EngineAddress::parse(url).expect("valid");
            assert_eq!(address.to_string(), masked);
            assert_eq!(format!("{address:?}"), format!("{masked:?}"));
            assert_eq!(address.with_password(), url);
        }
    }
}
