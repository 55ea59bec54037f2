//! A registry that speaks the distribution protocol over plain HTTP on loopback, and misbehaves when told to.
//!
//! Images are put into it by tests, signatures also by the real cosign: see `pushes`.

mod pushes;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::http::blocking::{self, Blocking};
use crate::http::{Head, Wire};
use crate::images::{self, BuiltImage};

/// The bearer token that the token server gives.
const TOKEN: &str = "sample-registry-token";
/// How often a stalled answer sees whether it may end.
pub(crate) const STALL_POLL: Duration = Duration::from_millis(20);
/// Between two pieces of a body that drips.
pub(crate) const DRIP_PAUSE: Duration = Duration::from_millis(50);

/// The registries of this process by port: the fake engine asks them without a connection.
static RUNNING: Mutex<BTreeMap<u16, Weak<Shared>>> = Mutex::new(BTreeMap::new());

/// Which requests a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Manifests and indexes.
    Manifest,
    /// Manifests that are asked for by digest: those that an index leads to.
    Child,
    /// Configs and layers.
    Blob,
    /// Configs.
    Config,
    /// Layers.
    Layer,
    /// The token server.
    Token,
    /// Lists of signatures: the referrers API and the tags `sha256-…`.
    Signatures,
    /// What was pushed, or put there with `attach`: signatures, and not the images of tests.
    Attached,
}

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status, with an error body of the protocol; 429 also says how long to wait.
    Status(u16),
    /// The connection ends without an answer.
    Cut,
    /// The connection ends in mid-body.
    CutMidBody,
    /// A byte of the body is another.
    Corrupt,
    /// The header names another digest than the body has.
    WrongDigest,
    /// No answer comes.
    Stall,
    /// Half the body comes, then nothing.
    StallMidBody,
    /// So many bytes at a time, with a pause of 50 ms.
    Drip(usize),
    /// 403, in words that hand back the credentials that were sent, as they came and decoded.
    Echo,
}

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The user of Basic credentials; `token` for a bearer; none without.
    pub user: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Auth {
    Open,
    Basic(String, String),
    Bearer(String, String),
}

#[derive(Debug)]
struct State {
    /// By repository and tag or digest: media type and bytes.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    blobs: BTreeMap<String, Vec<u8>>,
    /// Which of the blobs are configs.
    configs: BTreeSet<String>,
    auth: Auth,
    /// The scope that a token must be asked for.
    scope: Option<String>,
    /// Whether there is a referrers API.
    referrers: bool,
    /// Whether lists of referrers come one by one.
    paged: bool,
    /// Whether blobs are at another address, which wants no credentials.
    blob_store: bool,
    /// Blobs that are coming in, by session.
    uploads: BTreeMap<u64, Vec<u8>>,
    /// Digests of what was pushed or attached.
    attached: BTreeSet<String>,
    faults: Vec<(What, Fault)>,
    seen: Vec<Seen>,
}

/// A running registry; it ends when this is dropped.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    port: u16,
    state: Mutex<State>,
    ended: AtomicBool,
}

impl Registry {
    /// Serves on a free loopback port.
    ///
    /// # Panics
    /// There is none.
    pub fn start() -> Self {
        Self::on(0)
    }

    /// Serves on this loopback port.
    ///
    /// # Panics
    /// It is taken.
    pub fn on(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a loopback port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = State {
            manifests: BTreeMap::new(),
            blobs: BTreeMap::new(),
            configs: BTreeSet::new(),
            auth: Auth::Open,
            scope: None,
            referrers: false,
            paged: false,
            blob_store: false,
            uploads: BTreeMap::new(),
            attached: BTreeSet::new(),
            faults: Vec::new(),
            seen: Vec::new(),
        };
        let shared = Arc::new(Shared {
            port,
            state: Mutex::new(state),
            ended: AtomicBool::new(false),
        });
        running().insert(port, Arc::downgrade(&shared));
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if served.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&served);
                // A connection that breaks is its client's business.
                std::thread::spawn(move || serve(&shared, &stream).ok());
            }
        });
        Self { port, shared }
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Puts an image under a tag, replacing what was there.
    pub fn put(&self, repository: &str, tag: &str, image: &BuiltImage) {
        let mut state = self.shared.lock();
        for name in [tag, &image.digest] {
            let key = (repository.to_owned(), name.to_owned());
            state
                .manifests
                .insert(key, (images::MANIFEST.to_owned(), image.manifest.clone()));
        }
        state.blobs.extend(image.blobs.clone());
        state.configs.insert(image.id.clone());
    }

    /// Puts an index of images for several machines under a tag.
    pub fn put_index(&self, repository: &str, tag: &str, of: &[&BuiltImage]) {
        for image in of {
            self.put(repository, &image.digest.clone(), image);
        }
        let index = images::index(of);
        let mut state = self.shared.lock();
        for name in [tag.to_owned(), images::digest(&index)] {
            state.manifests.insert(
                (repository.to_owned(), name),
                (images::INDEX.to_owned(), index.clone()),
            );
        }
    }

    /// Takes a tag away.
    pub fn delete(&self, repository: &str, tag: &str) {
        self.shared
            .lock()
            .manifests
            .remove(&(repository.to_owned(), tag.to_owned()));
    }

    /// Asks for Basic credentials from now on.
    pub fn require_basic(&self, user: &str, password: &str) {
        self.shared.lock().auth = Auth::Basic(user.to_owned(), password.to_owned());
    }

    /// Asks for a token, which the token server gives for these credentials.
    pub fn require_bearer(&self, user: &str, password: &str) {
        self.shared.lock().auth = Auth::Bearer(user.to_owned(), password.to_owned());
    }

    /// From now on every such request goes wrong.
    pub fn fault(&self, what: What, fault: Fault) {
        self.shared.lock().faults.push((what, fault));
    }

    /// Layers and configs stop coming half-way.
    pub fn stall_blobs(&self) {
        self.fault(What::Blob, Fault::StallMidBody);
    }

    /// Ends every fault; what is stalled is cut.
    pub fn heal(&self) {
        self.shared.lock().faults.clear();
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees that it is over.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
    }
}

fn running() -> MutexGuard<'static, BTreeMap<u16, Weak<Shared>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The registry of this process that serves on this port now.
    pub(crate) fn on(port: u16) -> Option<Arc<Self>> {
        let shared = running().get(&port)?.upgrade()?;
        (!shared.ended.load(Ordering::SeqCst)).then_some(shared)
    }

    /// The answer to a request, and the fault that strikes it on its way.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
    ) -> (Reply, Option<(What, Fault)>) {
        let mut reply = answer(self, method, path, authorization);
        let fault = self.lock().fault_of(path);
        // What is refused anyway is not what a fault is about.
        let fault =
            fault.filter(|(_, fault)| reply.status < 400 || matches!(fault, Fault::Status(_)));
        match fault {
            Some((_, Fault::Echo)) => reply = echo(authorization.unwrap_or_default()),
            Some((_, fault)) => reply.spoil(fault),
            None => {}
        }
        (reply, fault)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this fault was not healed yet.
    pub(crate) fn stands(&self, fault: (What, Fault)) -> bool {
        !self.ended.load(Ordering::SeqCst) && self.lock().faults.contains(&fault)
    }
}

impl State {
    /// The first fault that strikes a request for this path.
    fn fault_of(&self, path: &str) -> Option<(What, Fault)> {
        let manifest = path.split_once("/manifests/").map(|(_, name)| name);
        let blob = path.split_once("/blobs/").map(|(_, digest)| digest);
        let listed = manifest.is_some_and(|name| name.starts_with("sha256-"));
        let attached = |digest: &str| self.attached.contains(digest);
        let strikes = |what: What| match what {
            What::Token => path == "/token",
            What::Manifest => manifest.is_some(),
            What::Child => manifest.is_some_and(|name| name.starts_with("sha256:")),
            What::Blob => blob.is_some(),
            What::Config => blob.is_some_and(|digest| self.configs.contains(digest)),
            What::Signatures => listed || path.contains("/referrers/"),
            What::Attached => manifest.is_some_and(attached) || blob.is_some_and(attached),
            What::Layer => blob.is_some_and(|digest| !self.configs.contains(digest)),
        };
        self.faults.iter().copied().find(|(what, _)| strikes(*what))
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// What a fault makes of the answer itself; the others strike its delivery.
    fn spoil(&mut self, fault: Fault) {
        match fault {
            Fault::Status(status) => {
                let code = match status {
                    401 => "UNAUTHORIZED",
                    403 => "DENIED",
                    404 => "MANIFEST_UNKNOWN",
                    429 => "TOOMANYREQUESTS",
                    _ => "UNKNOWN",
                };
                *self = refusal(status, code);
                if status == 429 {
                    self.headers.push(("Retry-After", "60".to_owned()));
                }
            }
            Fault::Corrupt => {
                let middle = self.body.len() / 2;
                if let Some(byte) = self.body.get_mut(middle) {
                    *byte ^= 0x20;
                }
            }
            Fault::WrongDigest => {
                self.headers
                    .retain(|(name, _)| *name != "Docker-Content-Digest");
                self.headers
                    .push(("Docker-Content-Digest", images::digest(b"something else")));
            }
            Fault::Cut
            | Fault::CutMidBody
            | Fault::Stall
            | Fault::StallMidBody
            | Fault::Drip(_)
            | Fault::Echo => {}
        }
    }
}

fn serve(shared: &Shared, stream: &TcpStream) -> std::io::Result<()> {
    let mut wire = Wire::new(Blocking(stream));
    while let Some((head, body)) = next_request(&mut wire)? {
        let (method, target) = head.request_line();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let authorization = head.header("authorization");
        let (reply, fault) = match shared.beside(&head, body) {
            Some(reply) => (reply, None),
            None if path == "/token" && !shared.lock().is_in_scope(query) => {
                (refusal(403, "DENIED"), None)
            }
            None => shared.ask(method, path, authorization),
        };
        if !write(shared, stream, &reply, method == "HEAD", fault)? {
            return Ok(());
        }
    }
    Ok(())
}

/// The next request. What is none gets the bare 400 of every server of HTTP: the store of containerd tries TLS first, and
/// goes on without it only when it hears that it speaks to one.
fn next_request(wire: &mut Wire<Blocking<&TcpStream>>) -> std::io::Result<Option<(Head, Vec<u8>)>> {
    let request = blocking::request(wire);
    if request
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::InvalidData)
    {
        let refusal = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        wire.stream().0.write_all(refusal)?;
    }
    request
}

fn answer(shared: &Shared, method: &str, path: &str, authorization: Option<&str>) -> Reply {
    let mut state = shared.lock();
    let basic = authorization
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|pair| String::from_utf8(pair).ok())
        .and_then(|pair| {
            pair.split_once(':')
                .map(|(user, password)| (user.to_owned(), password.to_owned()))
        });
    let bearer = authorization.and_then(|value| value.strip_prefix("Bearer "));
    let user = basic
        .as_ref()
        .map(|(user, _)| user.clone())
        .or(bearer.map(|_| "token".to_owned()));
    state.seen.push(Seen {
        method: method.to_owned(),
        path: path.to_owned(),
        user,
    });
    let port = shared.port;
    let challenge = match &state.auth {
        Auth::Open => None,
        Auth::Basic(user, password) => (basic != Some((user.clone(), password.clone())))
            .then(|| "Basic realm=\"sample\"".to_owned()),
        Auth::Bearer(user, password) => {
            if path == "/token" {
                return match basic == Some((user.clone(), password.clone())) {
                    true => ok(
                        "application/json",
                        json!({ "token": TOKEN }).to_string().into_bytes(),
                    ),
                    false => refusal(401, "UNAUTHORIZED"),
                };
            }
            let mut realm =
                format!("Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"sample\"");
            if let Some(scope) = &state.scope {
                realm += &format!(",scope=\"{scope}\"");
            }
            (bearer != Some(TOKEN)).then_some(realm)
        }
    };
    if let Some(challenge) = challenge {
        let mut reply = refusal(401, "UNAUTHORIZED");
        reply.headers.push(("WWW-Authenticate", challenge));
        return reply;
    }
    let Some(rest) = path.strip_prefix("/v2/") else {
        return refusal(404, "NOT_FOUND");
    };
    if rest.is_empty() {
        return ok("application/json", b"{}".to_vec());
    }
    if let Some((repository, digest)) = rest.split_once("/referrers/") {
        return state.referrers_of(repository, digest);
    }
    if let Some((repository, reference)) = rest.split_once("/manifests/") {
        let key = (repository.to_owned(), reference.to_owned());
        return match state.manifests.get(&key) {
            Some((kind, bytes)) => {
                let mut reply = ok(kind, bytes.clone());
                reply
                    .headers
                    .push(("Docker-Content-Digest", images::digest(bytes)));
                reply
            }
            None => unknown_manifest(reference),
        };
    }
    let blob = rest
        .split_once("/blobs/")
        .and_then(|(_, digest)| Some((digest, state.blobs.get(digest)?)));
    match blob {
        Some((digest, bytes)) => {
            let mut reply = ok("application/octet-stream", bytes.clone());
            reply
                .headers
                .push(("Docker-Content-Digest", digest.to_owned()));
            reply
        }
        None => refusal(404, "BLOB_UNKNOWN"),
    }
}

fn ok(kind: &str, body: Vec<u8>) -> Reply {
    Reply {
        status: 200,
        headers: vec![("Content-Type", kind.to_owned())],
        body,
    }
}

fn echo(authorization: &str) -> Reply {
    let encoded = authorization.rsplit(' ').next().unwrap_or_default();
    let decoded = STANDARD.decode(encoded).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded);
    let password = decoded.rsplit(':').next().unwrap_or_default();
    let message = format!(
        "no access with {authorization}, which is {decoded}, https://{decoded}@registry.example, password: {password}"
    );
    let mut reply = refusal(403, "DENIED");
    let error = json!({ "code": "DENIED", "message": message, "detail": "echo" });
    reply.body = json!({ "errors": [error] }).to_string().into_bytes();
    reply
}

fn refusal(status: u16, code: &str) -> Reply {
    let body =
        json!({ "errors": [{ "code": code, "message": code.to_lowercase().replace('_', " ") }] });
    Reply {
        status,
        headers: vec![("Content-Type", "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    }
}

/// With a detail, as registries say it: without one the engine would lose message and status.
fn unknown_manifest(reference: &str) -> Reply {
    let error = json!({ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": { "Tag": reference } });
    Reply {
        body: json!({ "errors": [error] }).to_string().into_bytes(),
        ..refusal(404, "MANIFEST_UNKNOWN")
    }
}

/// Writes the answer, or what a fault makes of it; false when the connection must end.
fn write(
    shared: &Shared,
    mut stream: &TcpStream,
    reply: &Reply,
    head_only: bool,
    fault: Option<(What, Fault)>,
) -> std::io::Result<bool> {
    let wait = |struck| {
        while shared.stands(struck) {
            std::thread::sleep(STALL_POLL);
        }
    };
    match fault {
        Some((_, Fault::Cut)) => return Ok(false),
        Some(struck @ (_, Fault::Stall)) => {
            wait(struck);
            return Ok(false);
        }
        _ => {}
    }
    let mut head = format!(
        "HTTP/1.1 {} Sample\r\nContent-Length: {}\r\n",
        reply.status,
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if head_only {
        return Ok(true);
    }
    let half = reply.body.len() / 2;
    match fault {
        Some((_, Fault::CutMidBody)) => {
            stream.write_all(&reply.body[..half])?;
            Ok(false)
        }
        Some(struck @ (_, Fault::StallMidBody)) => {
            stream.write_all(&reply.body[..half])?;
            wait(struck);
            Ok(false)
        }
        Some((_, Fault::Drip(bytes))) => {
            for piece in reply.body.chunks(bytes.max(1)) {
                stream.write_all(piece)?;
                std::thread::sleep(DRIP_PAUSE);
            }
            Ok(true)
        }
        _ => {
            stream.write_all(&reply.body)?;
            Ok(true)
        }
    }
}
