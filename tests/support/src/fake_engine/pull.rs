//! `POST /images/create`: pulls from a registry for real, and talks as the engine does meanwhile.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::host::Host;
use super::http::{BodyReader, Head, Wire};
use super::images::Image;
use super::message::{Answer, Request};
use crate::images::{INDEX, digest, this_architecture};

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json";

/// The credentials of `X-Registry-Auth`, which engines read in base64url only.
fn credentials(request: &Request) -> Option<(String, String)> {
    let header = request.head.header("x-registry-auth")?;
    let bytes = URL_SAFE.decode(header).ok()?;
    let auth: Value = serde_json::from_slice(&bytes).ok()?;
    let field = |name: &str| auth[name].as_str().map(str::to_owned);
    Some((field("username")?, field("password")?))
}

/// One pull on its way.
struct Pull {
    host: String,
    repository: String,
    tag: String,
    credentials: Option<(String, String)>,
    token: Option<String>,
    lines: mpsc::Sender<Vec<u8>>,
}

type Pulled<T> = Result<T, String>;

impl Host {
    /// Answers with the stream of progress. Nobody reading it ends the pull.
    pub fn pull(self: &Arc<Self>, request: &Request) -> Answer {
        let from = request.param("fromImage").unwrap_or_default();
        let tag = request.param("tag").unwrap_or_default();
        let Some((host, repository)) = from.split_once('/').filter(|_| !tag.is_empty()) else {
            return Answer::error(
                500,
                format!("the fake engine pulls host/repository and a tag, not {from}:{tag}"),
            );
        };
        let (lines, pieces) = mpsc::channel(256);
        let pull = Pull {
            host: host.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            credentials: credentials(request),
            token: None,
            lines,
        };
        let engine = Arc::clone(self);
        self.runtime.spawn(async move {
            let gone = pull.lines.clone();
            tokio::select! {
                () = engine.run_pull(pull) => {}
                () = gone.closed() => {}
            }
        });
        Answer::stream(pieces)
    }

    async fn run_pull(&self, mut pull: Pull) {
        if let Err(message) = self.pull_image(&mut pull).await {
            pull.say(json!({ "errorDetail": { "message": message }, "error": message }))
                .await;
        }
    }

    async fn pull_image(&self, pull: &mut Pull) -> Pulled<()> {
        let (repository, tag) = (
            format!("{}/{}", pull.host, pull.repository),
            pull.tag.clone(),
        );
        let (kind, mut manifest) = pull.manifest(&tag).await?;
        pull.say(json!({ "status": format!("Pulling from {}", pull.repository), "id": tag }))
            .await;
        // The digest of what the tag leads to, be it an index.
        let named = digest(&manifest);
        if kind == INDEX {
            let index: Value =
                serde_json::from_slice(&manifest).map_err(|error| error.to_string())?;
            let ours = index["manifests"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|entry| {
                    entry["platform"]["os"] == "linux"
                        && entry["platform"]["architecture"] == this_architecture()
                });
            let ours = ours
                .and_then(|entry| entry["digest"].as_str())
                .ok_or_else(|| {
                    format!(
                        "no matching manifest for linux/{} in the manifest list entries",
                        this_architecture()
                    )
                })?;
            manifest = pull.manifest(ours).await?.1;
        }
        let manifest: Value =
            serde_json::from_slice(&manifest).map_err(|error| error.to_string())?;
        let config = manifest["config"]["digest"].as_str().unwrap_or_default();
        let config = pull.blob(config).await?;
        let mut size = 0;
        for layer in manifest["layers"].as_array().into_iter().flatten() {
            let name = layer["digest"].as_str().unwrap_or_default();
            size += layer["size"].as_u64().unwrap_or(0);
            self.pull_layer(pull, name).await?;
        }
        let image = Image::from_blob(&config, size).map_err(|error| error.to_string())?;
        let reference = format!("{repository}:{tag}");
        let known = self.world().images.tags.get(&reference) == Some(&image.id);
        self.change(|world| {
            let images = &mut world.images;
            images.tags.insert(reference.clone(), image.id.clone());
            images
                .digests
                .insert(format!("{repository}@{named}"), image.id.clone());
            images.by_id.insert(image.id.clone(), image);
        });
        self.events.tell_image(&reference, "pull");
        pull.say(json!({ "status": format!("Digest: {named}") }))
            .await;
        let what = if known {
            "Image is up to date"
        } else {
            "Downloaded newer image"
        };
        pull.say(json!({ "status": format!("Status: {what} for {reference}") }))
            .await;
        Ok(())
    }

    async fn pull_layer(&self, pull: &mut Pull, name: &str) -> Pulled<()> {
        let id = name
            .trim_start_matches("sha256:")
            .get(..12)
            .unwrap_or(name)
            .to_owned();
        if self.world().images.layers.contains(name) {
            pull.say(json!({ "status": "Already exists", "progressDetail": {}, "id": id }))
                .await;
            return Ok(());
        }
        pull.say(json!({ "status": "Pulling fs layer", "progressDetail": {}, "id": id }))
            .await;
        let bytes = pull.blob(name).await?;
        let detail = json!({ "current": bytes.len(), "total": bytes.len() });
        pull.say(json!({ "status": "Downloading", "progressDetail": detail, "id": id }))
            .await;
        pull.say(json!({ "status": "Pull complete", "progressDetail": {}, "id": id }))
            .await;
        self.change(|world| world.images.layers.insert(name.to_owned()));
        Ok(())
    }
}

impl Pull {
    async fn say(&self, line: Value) {
        // Nobody listening ends the pull from outside.
        self.lines
            .send(format!("{line}\r\n").into_bytes())
            .await
            .ok();
    }

    async fn manifest(&mut self, reference: &str) -> Pulled<(String, Vec<u8>)> {
        let path = format!("/v2/{}/manifests/{reference}", self.repository);
        let (head, body) = self.get(&path).await?;
        let status = head.status().map_err(|error| error.to_string())?;
        match status {
            200 => {}
            404 => {
                let name = format!("{}/{}:{}", self.host, self.repository, self.tag);
                return Err(format!(
                    "manifest for {name} not found: manifest unknown: manifest unknown"
                ));
            }
            401 => {
                return Err(format!(
                    "Get \"http://{}{path}\": no basic auth credentials",
                    self.host
                ));
            }
            other => return Err(format!("received unexpected HTTP status: {other}")),
        }
        let named = head
            .header("docker-content-digest")
            .unwrap_or_default()
            .to_owned();
        let real = digest(&body);
        if reference.starts_with("sha256:") && reference != real {
            return Err(format!(
                "manifest verification failed for digest {reference}"
            ));
        }
        if !named.is_empty() && named != real {
            return Err(format!("manifest verification failed for digest {named}"));
        }
        let kind = head.header("content-type").unwrap_or_default().to_owned();
        Ok((kind, body))
    }

    async fn blob(&mut self, name: &str) -> Pulled<Vec<u8>> {
        let path = format!("/v2/{}/blobs/{name}", self.repository);
        let (head, body) = self.get(&path).await?;
        match head.status().map_err(|error| error.to_string())? {
            200 if digest(&body) == name => Ok(body),
            200 => Err(format!(
                "filesystem layer verification failed for digest {name}"
            )),
            404 => Err("blob unknown to registry".to_owned()),
            other => Err(format!(
                "error pulling image configuration: received unexpected HTTP status: {other}"
            )),
        }
    }

    /// One request, once more with a token when the registry asks for one.
    async fn get(&mut self, path: &str) -> Pulled<(Head, Vec<u8>)> {
        let failed = |error: io::Error| format!("Get \"{path}\": {error}");
        let host = self.host.clone();
        let (head, body) = fetch(&host, path, self.authorization())
            .await
            .map_err(failed)?;
        let challenge = head.header("www-authenticate").unwrap_or_default();
        let realm = challenge
            .strip_prefix("Bearer realm=\"")
            .and_then(|rest| rest.split('"').next());
        let Some(realm) = realm.filter(|_| head.status().is_ok_and(|status| status == 401)) else {
            return Ok((head, body));
        };
        let (server, path_of_token) = realm
            .trim_start_matches("http://")
            .split_once('/')
            .unwrap_or((realm, ""));
        let basic = self.credentials.as_ref().map(basic);
        let token = fetch(server, &format!("/{path_of_token}"), basic)
            .await
            .map_err(failed)?;
        let given: Value = serde_json::from_slice(&token.1).unwrap_or_default();
        self.token = given["token"].as_str().map(str::to_owned);
        if self.token.is_none() {
            return Ok((head, body));
        }
        fetch(&host, path, self.authorization())
            .await
            .map_err(failed)
    }

    fn authorization(&self) -> Option<String> {
        match (&self.token, &self.credentials) {
            (Some(token), _) => Some(format!("Bearer {token}")),
            (None, Some(pair)) => Some(basic(pair)),
            (None, None) => None,
        }
    }
}

fn basic((user, password): &(String, String)) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn fetch(
    host: &str,
    path: &str,
    authorization: Option<String>,
) -> io::Result<(Head, Vec<u8>)> {
    let stream = TcpStream::connect(host).await?;
    let (reader, mut out) = stream.into_split();
    let mut request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {ACCEPT}\r\nConnection: close\r\n");
    if let Some(value) = authorization {
        request.push_str(&format!("Authorization: {value}\r\n"));
    }
    request.push_str("\r\n");
    out.write_all(request.as_bytes()).await?;
    let mut wire = Wire::new(reader);
    let head = wire
        .head()
        .await?
        .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let body = BodyReader::of_answer(&head, "GET")?
        .collect(&mut wire)
        .await?;
    Ok((head, body))
}
