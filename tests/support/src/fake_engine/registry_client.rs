//! What an engine says to a registry: manifests and blobs over HTTP/1.1, with credentials when asked.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::http::{BodyReader, Head, Wire};
use super::message::escape;

const MANIFEST_TYPES: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
const MOST_REDIRECTS: usize = 5;

/// The credentials of `X-Registry-Auth`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials {
    username: String,
    password: String,
    identity_token: String,
    registry_token: String,
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
            identity_token: text("identitytoken"),
            registry_token: text("registrytoken"),
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
    head: Head,
    body: BodyReader,
    wire: Wire<OwnedReadHalf>,
    /// Some servers take a half-closed connection for a client that left.
    _out: OwnedWriteHalf,
}

impl Reply {
    pub async fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.body.next(&mut self.wire).await
    }

    pub async fn whole(mut self) -> io::Result<Vec<u8>> {
        self.body.collect(&mut self.wire).await
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
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
        let registry_token = &credentials.registry_token;
        let authorization = match registry_token.is_empty() {
            true => None,
            false => Some(format!("Bearer {registry_token}")),
        };
        RegistryClient {
            host: host.to_owned(),
            name: name.to_owned(),
            credentials,
            authorization,
        }
    }

    /// The bytes of a manifest by tag or digest.
    pub async fn manifest(&mut self, reference: &str) -> Result<Vec<u8>, Refusal> {
        let url = format!(
            "http://{}/v2/{}/manifests/{reference}",
            self.host, self.name
        );
        let reply = self.get(&url, MANIFEST_TYPES).await?;
        if reply.status == 200 {
            return reply.whole().await.map_err(|error| broken(&url, &error));
        }
        Err(self.refused(reply, &url, reference).await)
    }

    pub async fn blob(&mut self, digest: &str) -> Result<Reply, Refusal> {
        let url = format!("http://{}/v2/{}/blobs/{digest}", self.host, self.name);
        let reply = self.get(&url, "*/*").await?;
        if reply.status == 200 {
            return Ok(reply);
        }
        Err(self.refused(reply, &url, digest).await)
    }

    pub async fn tags(&mut self) -> Result<Vec<String>, Refusal> {
        let url = format!("http://{}/v2/{}/tags/list", self.host, self.name);
        let reply = self.get(&url, "application/json").await?;
        if reply.status != 200 {
            return Err(self.refused(reply, &url, "").await);
        }
        let body = reply.whole().await.map_err(|error| broken(&url, &error))?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        Ok(super::container::string_list(&body["tags"]))
    }

    async fn get(&mut self, url: &str, accept: &str) -> Result<Reply, Refusal> {
        let mut reply = self.once(url, accept).await?;
        if reply.status == 401 {
            let challenge = reply
                .header("www-authenticate")
                .unwrap_or_default()
                .to_owned();
            self.authorization = self.meet(&challenge, url).await?;
            reply = self.once(url, accept).await?;
        }
        for _ in 0..MOST_REDIRECTS {
            let Some(location) = reply.header("location").filter(|_| reply.status / 100 == 3)
            else {
                break;
            };
            let next = match location.starts_with('/') {
                true => format!("http://{}{location}", self.host),
                false => location.to_owned(),
            };
            // Storage behind a registry brings its own signature and must not see ours.
            let sent = request("GET", &next, &[("Accept", accept)], "").await;
            reply = sent.map_err(|error| broken(&next, &error))?;
        }
        Ok(reply)
    }

    async fn once(&self, url: &str, accept: &str) -> Result<Reply, Refusal> {
        let mut headers = vec![("Accept", accept)];
        if let Some(authorization) = &self.authorization {
            headers.push(("Authorization", authorization));
        }
        let sent = request("GET", url, &headers, "").await;
        sent.map_err(|error| broken(url, &error))
    }

    /// The authorization that a challenge asks for.
    async fn meet(&self, challenge: &str, url: &str) -> Result<Option<String>, Refusal> {
        if challenge.to_lowercase().starts_with("basic") {
            let basic = self.credentials.basic();
            let none = || Refusal::failed(format!("Head \"{url}\": no basic auth credentials"));
            return basic.map(Some).ok_or_else(none);
        }
        let part = |name: &str| parameter(challenge, name).unwrap_or_default();
        let (realm, service) = (part("realm"), part("service"));
        if realm.is_empty() || !self.credentials.registry_token.is_empty() {
            return Ok(self.authorization.clone());
        }
        let scope = match part("scope") {
            empty if empty.is_empty() => format!("repository:{}:pull", self.name),
            scope => scope,
        };
        let token = self.token(&realm, &service, &scope).await;
        token
            .map(Some)
            .map_err(|cause| Refusal::failed(format!("Head \"{url}\": {cause}")))
    }

    async fn token(&self, realm: &str, service: &str, scope: &str) -> Result<String, String> {
        let (service, scope) = (escape(service), escape(scope));
        let refresh = &self.credentials.identity_token;
        let sent = if refresh.is_empty() {
            let separator = if realm.contains('?') { '&' } else { '?' };
            let url = format!("{realm}{separator}scope={scope}&service={service}");
            let basic = self.credentials.basic();
            let header = basic.as_deref().map(|basic| ("Authorization", basic));
            request("GET", &url, header.as_slice(), "").await
        } else {
            let refresh = escape(refresh);
            let form = format!(
                "client_id=docker&grant_type=refresh_token&refresh_token={refresh}&scope={scope}&service={service}"
            );
            let kind = [("Content-Type", "application/x-www-form-urlencoded")];
            request("POST", realm, &kind, &form).await
        };
        let reply = sent.map_err(|error| broken(realm, &error).text)?;
        let status = reply.status;
        let body = reply.whole().await.map_err(|error| error.to_string())?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = body["token"].as_str().or(body["access_token"].as_str());
        match (status, token) {
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

async fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Reply> {
    let unsupported = || io::Error::other(format!("unsupported protocol scheme in {url}"));
    let rest = url.strip_prefix("http://").ok_or_else(unsupported)?;
    let at = rest.find('/').unwrap_or(rest.len());
    let (host, path) = (&rest[..at], &rest[at..]);
    let address = match host.contains(':') {
        true => host.to_owned(),
        false => format!("{host}:80"),
    };
    let (reader, mut out) = TcpStream::connect(address).await?.into_split();
    let path = if path.is_empty() { "/" } else { path };
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: docker/20.10.24\r\nConnection: close\r\n"
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    head.push_str(body);
    out.write_all(head.as_bytes()).await?;
    let mut wire = Wire::new(reader);
    let eof = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let head = wire.head().await?.ok_or_else(eof)?;
    let body = BodyReader::of_answer(&head, method)?;
    Ok(Reply {
        status: head.status()?,
        head,
        body,
        wire,
        _out: out,
    })
}
