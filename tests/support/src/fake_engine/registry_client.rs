//! What an engine asks of a registry: manifests and blobs, with credentials when asked.
//!
//! Only the registries of this process are reached, and without a connection: how the agent fares with a registry is
//! shown on the real engine; here the answers and faults of [`crate::registry`] come in the engine's words.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::registry::{self, DRIP_PAUSE, Fault, STALL_POLL, Shared, What};

/// A body comes in pieces of at most so many bytes.
const PIECE: usize = 64 * 1024;

/// The credentials of `X-Registry-Auth`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials {
    username: String,
    password: String,
}

impl Credentials {
    /// Reads base64url and nothing else. What it cannot read it ignores, as the engine does:
    /// the pull is then anonymous.
    pub fn of(header: Option<&str>) -> Credentials {
        let header = header.unwrap_or_default().trim();
        let decoded = URL_SAFE.decode(header);
        let decoded = decoded.or_else(|_| URL_SAFE_NO_PAD.decode(header));
        let fields: Value = decoded
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default();
        let text = |key: &str| fields[key].as_str().unwrap_or_default().to_owned();
        Credentials {
            username: text("username"),
            password: text("password"),
        }
    }

    fn basic(&self) -> Option<String> {
        let pair = format!("{}:{}", self.username, self.password);
        let named = !self.username.is_empty();
        named.then(|| format!("Basic {}", STANDARD.encode(pair)))
    }
}

/// One registry, one repository, one set of credentials.
#[derive(Debug)]
pub(crate) struct RegistryClient {
    host: String,
    name: String,
    credentials: Credentials,
    authorization: Option<String>,
}

/// An open answer.
pub(crate) struct Reply {
    pub status: u16,
    answer: registry::Reply,
    /// How much of the body has come.
    at: usize,
    fault: Option<(What, Fault)>,
    registry: Arc<Shared>,
}

impl Reply {
    pub async fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (length, half) = (self.answer.body.len(), self.answer.body.len() / 2);
        let until = match self.fault {
            Some((_, Fault::CutMidBody)) if self.at == half => return Err(eof()),
            Some(struck @ (_, Fault::StallMidBody)) if self.at == half => {
                stalled(&self.registry, struck).await;
                return Err(eof());
            }
            Some((_, Fault::CutMidBody | Fault::StallMidBody)) => half,
            Some((_, Fault::Drip(bytes))) => {
                tokio::time::sleep(DRIP_PAUSE).await;
                self.at + bytes.max(1)
            }
            _ => self.at + PIECE,
        };
        let from = self.at;
        self.at = until.min(length);
        Ok((from < length).then(|| self.answer.body[from..self.at].to_vec()))
    }

    pub async fn whole(mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            body.extend(piece);
        }
        Ok(body)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.answer.headers.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Why a registry gave nothing, in the engine's words.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The status for an answer that has not begun yet.
    pub status: u16,
    pub text: String,
    /// Whether another attempt at a layer makes sense.
    pub passing: bool,
}

impl Refusal {
    pub fn failed(text: String) -> Refusal {
        Refusal {
            status: 500,
            text,
            passing: false,
        }
    }
}

impl RegistryClient {
    pub fn new(host: &str, name: &str, credentials: Credentials) -> RegistryClient {
        RegistryClient {
            host: host.to_owned(),
            name: name.to_owned(),
            credentials,
            authorization: None,
        }
    }

    /// The bytes of a manifest by tag or digest.
    pub async fn manifest(&mut self, reference: &str) -> Result<Vec<u8>, Refusal> {
        let url = format!(
            "http://{}/v2/{}/manifests/{reference}",
            self.host, self.name
        );
        let reply = self.get(&url).await?;
        if reply.status == 200 {
            return reply.whole().await.map_err(|error| broken(&url, &error));
        }
        Err(self.refused(reply, &url, reference).await)
    }

    pub async fn blob(&mut self, digest: &str) -> Result<Reply, Refusal> {
        let url = format!("http://{}/v2/{}/blobs/{digest}", self.host, self.name);
        let reply = self.get(&url).await?;
        if reply.status == 200 {
            return Ok(reply);
        }
        Err(self.refused(reply, &url, digest).await)
    }

    async fn get(&mut self, url: &str) -> Result<Reply, Refusal> {
        let sent = |authorization: Option<String>| async move {
            let sent = request(url, authorization.as_deref()).await;
            sent.map_err(|error| broken(url, &error))
        };
        let reply = sent(self.authorization.clone()).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        self.authorization = self.meet(challenge, url).await?;
        sent(self.authorization.clone()).await
    }

    /// The authorization that a challenge asks for.
    async fn meet(&self, challenge: &str, url: &str) -> Result<Option<String>, Refusal> {
        let refused = |cause: &str| Refusal::failed(format!("Head \"{url}\": {cause}"));
        if challenge.to_lowercase().starts_with("basic") {
            let basic = self.credentials.basic();
            return basic
                .map(Some)
                .ok_or_else(|| refused("no basic auth credentials"));
        }
        let Some(realm) = parameter(challenge, "realm") else {
            return Ok(self.authorization.clone());
        };
        match self.token(&realm).await {
            Ok(token) => Ok(Some(token)),
            Err(cause) => Err(refused(&cause)),
        }
    }

    async fn token(&self, realm: &str) -> Result<String, String> {
        let sent = request(realm, self.credentials.basic().as_deref()).await;
        let reply = sent.map_err(|error| broken(realm, &error).text)?;
        let status = reply.status;
        let body = reply.whole().await.map_err(|error| error.to_string())?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match (status, body["token"].as_str()) {
            (200, Some(token)) => Ok(format!("Bearer {token}")),
            (200, None) => {
                Err("authorization server did not include a token in the response".to_owned())
            }
            (401, _) => {
                let message = body["errors"][0]["message"].as_str();
                let message = message.unwrap_or("incorrect username or password");
                Err(format!("unauthorized: {message}"))
            }
            _ => {
                let name = reason(status);
                Err(format!("received unexpected HTTP status: {status} {name}"))
            }
        }
    }

    /// A registry's error in the words and with the status of Docker 20.10, tried on one.
    async fn refused(&self, reply: Reply, url: &str, reference: &str) -> Refusal {
        let status = reply.status;
        if !(400..500).contains(&status) {
            let name = reason(status);
            let text = format!("received unexpected HTTP status: {status} {name}");
            return Refusal {
                passing: true,
                ..Refusal::failed(text)
            };
        }
        if status == 404 && url.contains("/blobs/") {
            return Refusal::failed("unknown blob".to_owned());
        }
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        if status == 401 && challenge.contains("error=\"insufficient_scope\"") {
            return self.translated(
                "DENIED",
                "requested access to the resource is denied",
                reference,
            );
        }
        // Without a readable body the status alone decides.
        let bytes = reply.whole().await.unwrap_or_default();
        let body: Result<Value, _> = serde_json::from_slice(&bytes);
        let problem = match &body {
            Ok(_) => "no error details found in HTTP response body".to_owned(),
            Err(error) => error.to_string(),
        };
        let body = body.unwrap_or_default();
        let first = &body["errors"][0];
        match (first["code"].as_str(), first["message"].as_str()) {
            // An error without detail loses its message on the way, and its status.
            (Some(code), _) if status != 429 && first["detail"].is_null() => {
                Refusal::failed(words(code))
            }
            (Some(code), message) => self.translated(code, message.unwrap_or_default(), reference),
            (None, _) if status == 401 => {
                self.translated("UNAUTHORIZED", "authentication required", reference)
            }
            (None, _) => {
                let quoted = String::from_utf8_lossy(&bytes);
                Refusal::failed(format!(
                    "error parsing HTTP {status} response body: {problem}: {quoted:?}"
                ))
            }
        }
    }

    fn translated(&self, code: &str, message: &str, reference: &str) -> Refusal {
        let repository = format!("{}/{}", self.host, self.name);
        let separator = if reference.starts_with("sha256:") {
            '@'
        } else {
            ':'
        };
        let what = match code {
            "MANIFEST_UNKNOWN" => {
                format!("manifest for {repository}{separator}{reference} not found: ")
            }
            "NAME_UNKNOWN" => format!("repository {repository} not found: "),
            "DENIED" => format!(
                "pull access denied for {repository}, repository does not exist or may require 'docker login': "
            ),
            _ => String::new(),
        };
        Refusal {
            status: if what.is_empty() { 500 } else { 404 },
            text: format!("{what}{}: {message}", words(code)),
            passing: false,
        }
    }
}

fn words(code: &str) -> String {
    code.to_lowercase().replace('_', " ")
}

fn reason(status: u16) -> &'static str {
    match status {
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

fn broken(url: &str, error: &io::Error) -> Refusal {
    let host = url.split('/').nth(2).unwrap_or_default();
    let cause = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            let address = host.replace("localhost", "127.0.0.1");
            // The engine knocks at `/v2/` before anything else.
            let text = format!(
                "Get \"http://{host}/v2/\": dial tcp {address}: connect: connection refused"
            );
            return Refusal {
                passing: true,
                ..Refusal::failed(text)
            };
        }
        io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        io::ErrorKind::ConnectionReset => "read: connection reset by peer".to_owned(),
        _ if error.to_string().contains("lookup") => {
            let name = host.split(':').next().unwrap_or_default();
            format!("dial tcp: lookup {name}: no such host")
        }
        _ => error.to_string(),
    };
    let text = format!("Get \"{url}\": {cause}");
    Refusal {
        status: 500,
        text,
        passing: true,
    }
}

fn parameter(challenge: &str, name: &str) -> Option<String> {
    let start = challenge.find(&format!("{name}=\""))? + name.len() + 2;
    let rest = &challenge[start..];
    Some(rest[..rest.find('"')?].to_owned())
}

fn eof() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

/// Waits until the fault is healed, or the registry gone.
async fn stalled(registry: &Shared, struck: (What, Fault)) {
    while registry.stands(struck) {
        tokio::time::sleep(STALL_POLL).await;
    }
}

/// Asks the registry of this process that the URL names.
async fn request(url: &str, authorization: Option<&str>) -> io::Result<Reply> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    // A registry behind TLS has a name of its own; the engine is not what a test of that is about.
    let known = matches!(host, "127.0.0.1" | "localhost") || host.ends_with(".sample.test");
    if !known {
        return Err(io::Error::other(format!("lookup {host}: no such host")));
    }
    let registry = port.parse().ok().and_then(Shared::on);
    let registry = registry.ok_or(io::ErrorKind::ConnectionRefused)?;
    let (answer, fault) = registry.ask("GET", path, authorization);
    match fault {
        Some((_, Fault::Cut)) => return Err(eof()),
        Some(struck @ (_, Fault::Stall)) => {
            stalled(&registry, struck).await;
            return Err(eof());
        }
        _ => {}
    }
    Ok(Reply {
        status: answer.status,
        answer,
        at: 0,
        fault,
        registry,
    })
}
