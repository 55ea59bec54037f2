//! What signing needs of a registry: pushes, the referrers API, a scope, a blob store at another address.

use serde_json::{Value, json};

use super::{Registry, Reply, Shared, State, ok, refusal};
use crate::http::Head;
use crate::images;

/// Where the blob store has its blobs, below the root.
const STORE: &str = "/store/";

impl Registry {
    /// Asks for a token, which the token server gives for these credentials and only for this repository to pull, as
    /// ghcr.io does.
    pub fn require_scoped_bearer(&self, user: &str, password: &str, repository: &str) {
        self.require_bearer(user, password);
        self.shared.lock().scope = Some(format!("repository:{repository}:pull"));
    }

    /// Asks for nothing any more.
    pub fn open(&self) {
        self.shared.lock().auth = super::Auth::Open;
    }

    /// Serves the referrers API from now on; without it, it answers 404, as ghcr.io does.
    pub fn serve_referrers(&self) {
        self.shared.lock().referrers = true;
    }

    /// Serves it one by one, each with the way to the next.
    pub fn serve_referrers_in_pages(&self) {
        let mut state = self.shared.lock();
        state.referrers = true;
        state.paged = true;
    }

    /// From now on blobs are at another address, which refuses whoever shows it credentials.
    pub fn move_blobs_to_a_store(&self) {
        self.shared.lock().blob_store = true;
    }

    /// Keeps a blob, and tells its digest.
    pub fn attach_blob(&self, bytes: &[u8]) -> String {
        let digest = images::digest(bytes);
        let mut state = self.shared.lock();
        state.blobs.insert(digest.clone(), bytes.to_vec());
        state.attached.insert(digest.clone());
        digest
    }

    /// Keeps a manifest under its digest, and under this tag; tells its digest.
    pub fn attach(&self, repository: &str, tag: Option<&str>, kind: &str, bytes: &[u8]) -> String {
        let digest = images::digest(bytes);
        let mut state = self.shared.lock();
        for name in [Some(digest.as_str()), tag].into_iter().flatten() {
            let key = (repository.to_owned(), name.to_owned());
            state
                .manifests
                .insert(key, (kind.to_owned(), bytes.to_vec()));
        }
        state.attached.insert(digest.clone());
        digest
    }

    /// Serves these bytes where others have this digest.
    pub fn swap(&self, repository: &str, digest: &str, bytes: &[u8]) {
        let mut state = self.shared.lock();
        if let Some(blob) = state.blobs.get_mut(digest) {
            *blob = bytes.to_vec();
        }
        let key = (repository.to_owned(), digest.to_owned());
        if let Some((_, manifest)) = state.manifests.get_mut(&key) {
            *manifest = bytes.to_vec();
        }
    }

    /// The bytes of a manifest by tag or digest.
    pub fn manifest(&self, repository: &str, name: &str) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), name.to_owned());
        let state = self.shared.lock();
        state.manifests.get(&key).map(|(_, bytes)| bytes.clone())
    }

    /// The bytes of a blob.
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        self.shared.lock().blobs.get(digest).cloned()
    }
}

impl State {
    /// Whether a token may be given for what this query asks for.
    pub(super) fn is_in_scope(&self, query: &str) -> bool {
        let asked = query.replace("%3A", ":").replace("%2F", "/");
        let scoped = |scope| asked.split('&').any(|one| one == format!("scope={scope}"));
        self.scope.as_ref().is_none_or(scoped)
    }

    pub(super) fn referrers_of(&self, repository: &str, digest: &str) -> Reply {
        if !self.referrers {
            return refusal(404, "NOT_FOUND");
        }
        let mut listed = Vec::new();
        for ((place, name), (kind, bytes)) in &self.manifests {
            let manifest: Value = serde_json::from_slice(bytes).unwrap_or_default();
            let of = &manifest["subject"]["digest"];
            if place == repository && name.starts_with("sha256:") && of == digest {
                listed.push(json!({
                    "mediaType": kind,
                    "digest": name,
                    "size": bytes.len(),
                    "artifactType": manifest["artifactType"],
                }));
            }
        }
        let index = json!({ "schemaVersion": 2, "mediaType": images::INDEX, "manifests": listed });
        ok(images::INDEX, index.to_string().into_bytes())
    }
}

impl Shared {
    /// Answers what is no question for an image: a push, the blob store, and the way to it.
    pub(super) fn beside(&self, head: &Head, body: Vec<u8>) -> Option<Reply> {
        let (method, target) = head.request_line();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some(digest) = path.strip_prefix(STORE) {
            return Some(self.stored(digest, head.header("authorization").is_some()));
        }
        if path.contains("/referrers/") && self.lock().paged {
            let (reply, fault) = self.ask(method, path, head.header("authorization"));
            return fault.is_none().then(|| page(reply, path, query));
        }
        match method {
            "POST" | "PATCH" | "PUT" => Some(self.take(head, path, query, body)),
            _ => self.to_store(method, path, head.header("authorization")),
        }
    }

    /// Sends whoever asks for a blob, and may have it, to the store.
    fn to_store(&self, method: &str, path: &str, authorization: Option<&str>) -> Option<Reply> {
        if method != "GET" || !self.lock().blob_store {
            return None;
        }
        let (_, digest) = path.split_once("/blobs/")?;
        let (reply, fault) = self.ask(method, path, authorization);
        if reply.status != 200 || fault.is_some() {
            return None;
        }
        // Another name of the same host: another authority.
        let location = format!("http://localhost:{}{STORE}{digest}?signed=1", self.port);
        let mut reply = ok("text/plain", Vec::new());
        reply.status = 307;
        reply.headers.push(("Location", location));
        Some(reply)
    }

    fn stored(&self, digest: &str, shown_credentials: bool) -> Reply {
        match self.lock().blobs.get(digest) {
            // As S3 answers to a second kind of authentication.
            _ if shown_credentials => refusal(400, "UNSUPPORTED"),
            Some(bytes) => ok("application/octet-stream", bytes.clone()),
            None => refusal(404, "BLOB_UNKNOWN"),
        }
    }

    fn take(&self, head: &Head, path: &str, query: &str, body: Vec<u8>) -> Reply {
        // Asked for something that is not there: what does not answer 404 is about access.
        let probe = "/v2/none/manifests/none";
        let (reply, _) = self.ask("GET", probe, head.header("authorization"));
        if reply.status == 401 {
            return reply;
        }
        let mut state = self.lock();
        if let Some((repository, name)) = path
            .strip_prefix("/v2/")
            .and_then(|rest| rest.split_once("/manifests/"))
        {
            let kind = head.header("content-type").unwrap_or_default();
            return state.take_manifest(repository, name, kind, body);
        }
        let Some((upload, session)) = path.split_once("/blobs/uploads/") else {
            return refusal(404, "NOT_FOUND");
        };
        let session = match session.parse() {
            Ok(session) => session,
            Err(_) => state.uploads.keys().max().map_or(0, |last| last + 1),
        };
        state.uploads.entry(session).or_default().extend(body);
        let digest = query.split('&').find_map(|one| one.strip_prefix("digest="));
        let mut reply = ok("text/plain", Vec::new());
        let location = match digest.map(|digest| digest.replace("%3A", ":")) {
            None => {
                reply.status = 202;
                format!("{upload}/blobs/uploads/{session}")
            }
            Some(digest) => {
                let bytes = state.uploads.remove(&session).unwrap_or_default();
                if images::digest(&bytes) != digest {
                    return refusal(400, "DIGEST_INVALID");
                }
                reply.status = 201;
                state.attached.insert(digest.clone());
                state.blobs.insert(digest.clone(), bytes);
                format!("{upload}/blobs/{digest}")
            }
        };
        reply.headers.push(("Location", location));
        reply
    }
}

impl State {
    fn take_manifest(&mut self, repository: &str, name: &str, kind: &str, body: Vec<u8>) -> Reply {
        let digest = images::digest(&body);
        let manifest: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut reply = ok("text/plain", Vec::new());
        reply.status = 201;
        reply
            .headers
            .push(("Docker-Content-Digest", digest.clone()));
        if let (true, Some(subject)) = (self.referrers, manifest["subject"]["digest"].as_str()) {
            reply.headers.push(("OCI-Subject", subject.to_owned()));
        }
        for name in [name, digest.as_str()] {
            let key = (repository.to_owned(), name.to_owned());
            self.manifests.insert(key, (kind.to_owned(), body.clone()));
        }
        self.attached.insert(digest);
        reply
    }
}

/// One of a list, and the way to the next.
fn page(mut reply: Reply, path: &str, query: &str) -> Reply {
    let number = query.strip_prefix("page=");
    let number = number.and_then(|number| number.parse().ok()).unwrap_or(0);
    let mut list: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let Some(all) = list["manifests"].as_array().cloned() else {
        return reply;
    };
    if number + 1 < all.len() {
        let link = format!("<{path}?page={}>; rel=\"next\"", number + 1);
        reply.headers.push(("Link", link));
    }
    list["manifests"] = all.into_iter().skip(number).take(1).collect();
    reply.body = list.to_string().into_bytes();
    reply
}
