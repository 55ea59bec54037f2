//! `POST /images/create`: a real pull from a registry, told line by line as the engine does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::acts::Acted;
use super::host::Host;
use super::images::{Image, familiar, sha256_hex};
use super::message::{Answer, Request};
use super::registry_client::{Credentials, Refusal, RegistryClient};

/// The engine gives up on a layer after so many attempts.
const LAYER_ATTEMPTS: u32 = 5;
/// The shortest time between two lines about the same layer.
const PROGRESS_PAUSE: Duration = Duration::from_millis(50);
/// Where names without a registry lead; tests have no way there.
const HUB: &str = "registry-1.docker.io";
const PLATFORM: &str = "linux/amd64";

impl Host {
    /// `POST /images/create`. Errors before the first line are the answer's status, later ones a
    /// line in it. The pull ends when the client leaves.
    pub async fn pull(self: &Arc<Self>, request: &Request) -> Acted {
        let wanted = Wanted::of(request)?;
        let credentials = Credentials::of(request.head.header("x-registry-auth"));
        let (sender, pieces) = mpsc::channel(64);
        let (begin, begun) = oneshot::channel();
        let teller = Teller {
            sender: sender.clone(),
            begin: Some(begin),
        };
        let host = self.clone();
        self.runtime.spawn(async move {
            tokio::select! {
                () = host.pull_and_tell(wanted, credentials, teller) => {}
                () = sender.closed() => {}
            }
        });
        match begun.await {
            Ok(Some(refusal)) => Err(refusal),
            Ok(None) | Err(_) => Ok(Answer::stream(pieces)),
        }
    }

    async fn pull_and_tell(
        self: Arc<Self>,
        wanted: Wanted,
        credentials: Credentials,
        mut teller: Teller,
    ) {
        let hub = self.world().hub.clone();
        let host = match hub {
            Some(hub) if wanted.host == HUB => hub,
            _ => wanted.host.clone(),
        };
        let mut client = RegistryClient::new(&host, &wanted.path, credentials);
        let pulled = match wanted.tag.clone() {
            Some(tag) => self.pull_tag(&mut client, &wanted, &tag, &mut teller).await,
            // An engine pulls every tag then. Nobody here may ask for that.
            None => Err(Refusal::failed("no tag was asked for".to_owned())),
        };
        if let Err(refusal) = pulled {
            teller.fail(refusal).await;
        }
    }

    async fn pull_tag(
        &self,
        client: &mut RegistryClient,
        wanted: &Wanted,
        tag: &str,
        teller: &mut Teller,
    ) -> Result<(), Refusal> {
        let top = client.manifest(tag).await?;
        let digest = format!("sha256:{}", sha256_hex(&top));
        if tag.starts_with("sha256:") && tag != digest {
            let text = format!("manifest verification failed for digest {tag}");
            return Err(Refusal::failed(text));
        }
        teller
            .tell(json!({ "status": format!("Pulling from {}", wanted.path), "id": tag }))
            .await;
        let script = self.world().pull_script.clone();
        for (line, silence) in script {
            teller.tell(line).await;
            tokio::time::sleep(silence).await;
        }
        let manifest = own_manifest(client, parsed(&top)?).await?;
        let config = text(&manifest["config"]["digest"]);
        let known = self.world().images.by_id.contains_key(&config);
        let image = match known {
            true => None,
            false => Some(self.fetch(client, &manifest, &config, teller).await?),
        };
        let moved = self.keep(wanted, tag, &digest, &config, image);
        let what = match moved {
            true => "Downloaded newer image",
            false => "Image is up to date",
        };
        let name = wanted.with(tag);
        for status in [
            format!("Digest: {digest}"),
            format!("Status: {what} for {name}"),
        ] {
            teller.tell(json!({ "status": status })).await;
        }
        Ok(())
    }

    async fn fetch(
        &self,
        client: &mut RegistryClient,
        manifest: &Value,
        config: &str,
        teller: &mut Teller,
    ) -> Result<Image, Refusal> {
        let layers: Vec<Layer> = manifest["layers"]
            .as_array()
            .into_iter()
            .flatten()
            .map(Layer::of)
            .collect();
        for layer in &layers {
            let held = self.world().images.layers.contains(&layer.digest);
            let status = if held {
                "Already exists"
            } else {
                "Pulling fs layer"
            };
            teller.about(&layer.short, status).await;
        }
        let blob = fetch_config(client, config).await?;
        for layer in &layers {
            self.pull_layer(client, layer, teller).await?;
        }
        let size = layers.iter().map(|layer| layer.size).sum();
        Image::from_blob(&blob, size).map_err(|error| Refusal::failed(error.to_string()))
    }

    /// Whether the name leads elsewhere than before.
    fn keep(
        &self,
        wanted: &Wanted,
        tag: &str,
        digest: &str,
        id: &str,
        image: Option<Image>,
    ) -> bool {
        let by_digest = format!("{}@{digest}", wanted.repository);
        let moved = self.change(|world| {
            let images = &mut world.images;
            if let Some(image) = image {
                images.by_id.insert(id.to_owned(), image);
            }
            let known = images.digests.insert(by_digest, id.to_owned());
            let before = match tag.starts_with("sha256:") {
                true => known,
                false => images.tags.insert(wanted.with(tag), id.to_owned()),
            };
            before.as_deref() != Some(id)
        });
        self.events.tell_image(&wanted.with(tag), "pull");
        moved
    }

    async fn pull_layer(
        &self,
        client: &mut RegistryClient,
        layer: &Layer,
        teller: &mut Teller,
    ) -> Result<(), Refusal> {
        if self.world().images.layers.contains(&layer.digest) {
            return Ok(());
        }
        let mut attempt = 1;
        while let Err(refusal) = download(client, layer, teller).await {
            if attempt == LAYER_ATTEMPTS || !refusal.passing {
                return Err(refusal);
            }
            let status = format!("Retrying in {} seconds", 5 * attempt);
            teller.about(&layer.short, &status).await;
            attempt += 1;
            let pause = self.world().layer_retry_pause;
            tokio::time::sleep(pause).await;
        }
        let detail = json!({ "current": layer.size, "total": layer.size });
        teller.detailed(&layer.short, "Extracting", &detail).await;
        teller.about(&layer.short, "Pull complete").await;
        self.change(|world| world.images.layers.insert(layer.digest.clone()));
        Ok(())
    }
}

/// One layer of a manifest.
struct Layer {
    digest: String,
    /// The twelve digits that progress is told under.
    short: String,
    size: u64,
}

impl Layer {
    fn of(entry: &Value) -> Layer {
        let digest = text(&entry["digest"]);
        let hex = digest.trim_start_matches("sha256:");
        Layer {
            short: hex.get(..12).unwrap_or(hex).to_owned(),
            size: entry["size"].as_u64().unwrap_or(0),
            digest,
        }
    }
}

/// What the client asked for.
#[derive(Clone, Debug)]
struct Wanted {
    /// As images are named by it.
    repository: String,
    host: String,
    path: String,
    /// A tag or a digest.
    tag: Option<String>,
}

impl Wanted {
    fn of(request: &Request) -> Result<Wanted, Answer> {
        let bad = || Answer::error(400, "invalid reference format");
        let image = request
            .param("fromImage")
            .filter(|image| !image.is_empty())
            .ok_or_else(bad)?;
        let mut tag = request.param("tag").unwrap_or_default().to_owned();
        let mut name = image;
        if let Some((before, digest)) = name.split_once('@') {
            (name, tag) = (before, digest.to_owned());
        }
        let last = name.rfind('/').map_or(0, |at| at + 1);
        if let Some(colon) = name[last..].find(':') {
            if tag.is_empty() {
                tag = name[last + colon + 1..].to_owned();
            }
            name = &name[..last + colon];
        }
        let (name, official) = (familiar(name), !familiar(name).contains('/'));
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
                (host, path.to_owned())
            }
            _ if official => (HUB, format!("library/{name}")),
            _ => (HUB, name.to_owned()),
        };
        if path.is_empty() || path.chars().any(|c| c.is_ascii_uppercase()) {
            let text = "invalid reference format: repository name must be lowercase";
            return Err(Answer::error(400, text));
        }
        Ok(Wanted {
            repository: name.to_owned(),
            host: host.to_owned(),
            path,
            tag: Some(tag).filter(|tag| !tag.is_empty()),
        })
    }

    fn with(&self, tag: &str) -> String {
        let separator = if tag.starts_with("sha256:") { '@' } else { ':' };
        format!("{}{separator}{tag}", self.repository)
    }
}

/// Writes the lines of a pull; the first one decides the answer's status.
struct Teller {
    sender: mpsc::Sender<Vec<u8>>,
    begin: Option<oneshot::Sender<Option<Answer>>>,
}

impl Teller {
    async fn tell(&mut self, line: Value) {
        if let Some(begin) = self.begin.take() {
            // The client may be gone; then the whole pull is about to end.
            begin.send(None).ok();
        }
        self.sender
            .send(format!("{line}\r\n").into_bytes())
            .await
            .ok();
    }

    async fn about(&mut self, layer: &str, status: &str) {
        self.detailed(layer, status, &json!({})).await;
    }

    async fn detailed(&mut self, layer: &str, status: &str, detail: &Value) {
        let mut line = json!({ "status": status, "progressDetail": detail, "id": layer });
        if let Some(current) = detail["current"].as_u64() {
            line["progress"] = json!(format!("[=>  ] {current}B/{}B", detail["total"]));
        }
        self.tell(line).await;
    }

    async fn fail(mut self, refusal: Refusal) {
        match self.begin.take() {
            // The client may be gone already.
            Some(begin) => drop(begin.send(Some(Answer::error(refusal.status, refusal.text)))),
            None => {
                let text = refusal.text;
                self.tell(json!({ "errorDetail": { "message": text }, "error": text }))
                    .await;
            }
        }
    }
}

/// The manifest itself, or the one for this platform out of an index.
async fn own_manifest(client: &mut RegistryClient, top: Value) -> Result<Value, Refusal> {
    let Some(entries) = top["manifests"].as_array() else {
        return Ok(top);
    };
    let ours = |entry: &&Value| {
        let platform = &entry["platform"];
        platform["os"] == "linux" && platform["architecture"] == "amd64"
    };
    let Some(entry) = entries.iter().find(ours) else {
        let text = format!("no matching manifest for {PLATFORM} in the manifest list entries");
        return Err(Refusal::failed(text));
    };
    let digest = text(&entry["digest"]);
    let bytes = client.manifest(&digest).await?;
    if !is_digest_of(&digest, &bytes) {
        let text = format!("manifest verification failed for digest {digest}");
        return Err(Refusal::failed(text));
    }
    parsed(&bytes)
}

async fn fetch_config(client: &mut RegistryClient, digest: &str) -> Result<Vec<u8>, Refusal> {
    let failed =
        |text: String| Refusal::failed(format!("error pulling image configuration: {text}"));
    let gone = |text: String| failed(format!("download failed after attempts=1: {text}"));
    let reply = client
        .blob(digest)
        .await
        .map_err(|refusal| gone(refusal.text))?;
    let blob = reply
        .whole()
        .await
        .map_err(|error| gone(error.to_string()))?;
    match is_digest_of(digest, &blob) {
        true => Ok(blob),
        false => Err(failed(format!(
            "image config verification failed for digest {digest}"
        ))),
    }
}

async fn download(
    client: &mut RegistryClient,
    layer: &Layer,
    teller: &mut Teller,
) -> Result<(), Refusal> {
    let mut reply = client.blob(&layer.digest).await?;
    let mut bytes = Vec::new();
    let mut told: Option<Instant> = None;
    let broken = |error: std::io::Error| Refusal {
        passing: true,
        ..Refusal::failed(error.to_string())
    };
    while let Some(piece) = reply.piece().await.map_err(broken)? {
        bytes.extend_from_slice(&piece);
        if told.is_none_or(|told| told.elapsed() >= PROGRESS_PAUSE) {
            told = Some(Instant::now());
            let detail = json!({ "current": bytes.len(), "total": layer.size });
            teller.detailed(&layer.short, "Downloading", &detail).await;
        }
    }
    teller.about(&layer.short, "Verifying Checksum").await;
    if !is_digest_of(&layer.digest, &bytes) {
        let digest = &layer.digest;
        let text = format!("filesystem layer verification failed for digest {digest}");
        return Err(Refusal::failed(text));
    }
    teller.about(&layer.short, "Download complete").await;
    Ok(())
}

fn is_digest_of(digest: &str, bytes: &[u8]) -> bool {
    digest == format!("sha256:{}", sha256_hex(bytes))
}

fn parsed(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::failed(error.to_string()))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
