//! Where the key set comes from, and one bounded attempt to get it.

use std::error::Error as _;
use std::fmt::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::header::{ACCEPT, USER_AGENT};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;
use tokio::io::AsyncReadExt;

use crate::{https, way_out};

/// Cloudflare's key set has about 5 KiB.
const BODY_LIMIT: usize = 256 * 1024;

/// Some edges answer 403 to whoever does not say who asks.
const NAME: &str = concat!("dreichor-deploy-agent/", env!("CARGO_PKG_VERSION"));

/// Where the key set comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// An `https://` address, or `http://127.0.0.1`.
    Url(String),
    /// A local file, for hosts without a way out.
    File(PathBuf),
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What follows a `?` may be a key.
            Self::Url(url) => match url.split_once(['?', '#']) {
                Some((url, _)) => write!(f, "{url}?***"),
                None => f.write_str(url),
            },
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl KeySource {
    /// `host:port` of an address.
    fn authority(&self) -> Option<&str> {
        match self {
            Self::Url(url) => way_out::authority_of(url),
            Self::File(_) => None,
        }
    }

    /// With what is not shown: for a keyed fingerprint only.
    pub(crate) fn whole(&self) -> String {
        match self {
            Self::Url(url) => url.clone(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// An address that a key set may be trusted from: over TLS, or from this very host.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        if let Some(path) = value.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return path
                .starts_with('/')
                .then(|| Self::File(PathBuf::from(path)));
        }
        let rest = value.strip_prefix("https://").or_else(|| {
            let rest = value.strip_prefix("http://127.0.0.1")?;
            // Not http://127.0.0.1.elsewhere.example and not http://127.0.0.1@elsewhere.example.
            matches!(rest.bytes().next(), None | Some(b':' | b'/')).then_some(value.split_at(7).1)
        })?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let valid = !authority.is_empty()
            && !authority.contains('@')
            && rest.bytes().all(|byte| byte.is_ascii_graphic());
        valid.then(|| Self::Url(value.to_owned()))
    }
}

/// Why one attempt brought nothing. Holds no part of what the other side sent.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    #[error("the address is not valid")]
    Address,
    #[error("no whole answer within {0:?}")]
    Deadline(Duration),
    #[error(transparent)]
    Roots(#[from] https::NoAuthorities),
    #[error("the server could not be reached or broke off")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server answered {0} instead of 200")]
    Status(u16),
    #[error("the answer is longer than {} KiB", BODY_LIMIT / 1024)]
    TooLong,
    #[error("the file could not be read: {0}")]
    File(std::io::ErrorKind),
}

impl FetchError {
    /// Itself with its causes, and what helps: "could not be reached" alone does not tell a name from a certificate.
    pub(crate) fn explained(&self, source: &KeySource) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            // Writing to a String cannot fail.
            write!(text, ": {error}").ok();
            cause = error.source();
        }
        if let Self::Transport(_) | Self::Deadline(_) = self {
            text += source.authority().map_or("", way_out::hint);
        }
        text
    }
}

/// One attempt. Redirects are not followed: the key set lives at one address, and a redirect to a login
/// page is the usual sign of a wrong one.
///
/// Cancel-safe.
pub(crate) async fn fetch(source: &KeySource, deadline: Duration) -> Result<Vec<u8>, FetchError> {
    let attempt = async {
        match source {
            KeySource::Url(url) => fetch_url(url).await,
            KeySource::File(path) => read_file(path).await,
        }
    };
    tokio::time::timeout(deadline, attempt)
        .await
        .unwrap_or(Err(FetchError::Deadline(deadline)))
}

async fn read_file(path: &PathBuf) -> Result<Vec<u8>, FetchError> {
    let failed = |error: std::io::Error| FetchError::File(error.kind());
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut content = Vec::new();
    file.take(BODY_LIMIT as u64 + 1)
        .read_to_end(&mut content)
        .await
        .map_err(failed)?;
    if content.len() > BODY_LIMIT {
        return Err(FetchError::TooLong);
    }
    Ok(content)
}

/// A fresh client each time: at one fetch an hour nothing is gained by keeping connections, and a renewed
/// bundle of authorities is seen without a restart.
async fn fetch_url(url: &str) -> Result<Vec<u8>, FetchError> {
    let request = Request::get(url)
        .header(USER_AGENT, NAME)
        .header(ACCEPT, "application/json")
        .body(Empty::<&'static [u8]>::new())
        .map_err(|_| FetchError::Address)?;
    let builder = HttpsConnectorBuilder::new();
    let connector = match url.starts_with("https://") {
        true => builder
            .with_tls_config(https::client_config().await?)
            .https_only(),
        // A loopback address needs no authorities.
        false => builder
            .with_tls_config(https::no_authorities()?)
            .https_or_http(),
    };
    let client = Client::builder(TokioExecutor::new()).build(connector.enable_http1().build());
    let response = client
        .request(request)
        .await
        .map_err(|error| FetchError::Transport(error.into()))?;
    if response.status().as_u16() != 200 {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    match Limited::new(response.into_body(), BODY_LIMIT)
        .collect()
        .await
    {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(FetchError::TooLong),
        Err(error) => Err(FetchError::Transport(error)),
    }
}
