//! Images in the OCI format, made in memory: one layer with the sample runtime, a config, a manifest.

use std::collections::BTreeMap;
use std::io::Write;

use aws_lc_rs::digest::SHA256;
use serde_json::{Value, json};

/// Media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an index of manifests.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Which kind of runtime a host has. Both take some 0.4 s to come up, need `DATABASE_URL` and `EXECUTION_PLANE`, and
/// reach the database's port on the host's loopback; then they log READY. Without one of these they exit with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Exits with 0 once it is ready, and is brought back by the restart policy, again and again: today's runtime.
    Loops,
    /// Stays, and ends cleanly on SIGTERM: what the runtime shall become.
    Serves,
}

impl Runtime {
    /// Both, for tests that hold for either.
    pub const BOTH: [Self; 2] = [Self::Loops, Self::Serves];

    /// The mode of the sample program.
    pub fn mode(self) -> &'static str {
        match self {
            Self::Loops => "loops",
            Self::Serves => "serves",
        }
    }
}

/// What an image shall be like.
#[derive(Debug, Clone)]
pub struct ImageSpec {
    entrypoint: Vec<String>,
    command: Vec<String>,
    healthcheck: Option<String>,
    architecture: String,
    environment: Vec<String>,
    volumes: Vec<String>,
    stop_signal: Option<String>,
    labels: BTreeMap<String, String>,
    fields: BTreeMap<String, Value>,
    extra_bytes: usize,
    salt: String,
}

/// An image, ready to be served.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// Digest of the manifest.
    pub digest: String,
    /// Digest of the config: the engine's id of the image.
    pub id: String,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// Config and layers by digest.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// The machine it is for.
    pub architecture: String,
}

impl ImageSpec {
    /// An image that runs the sample runtime in this mode.
    pub fn mode(mode: &[&str]) -> Self {
        let mut spec = Self::entrypoint(&["/runtime"]);
        spec.command = mode.iter().map(|word| (*word).to_owned()).collect();
        spec
    }

    /// An image of a runtime of this kind.
    pub fn runtime(runtime: Runtime) -> Self {
        Self::mode(&[runtime.mode()])
    }

    /// An image with another entrypoint.
    pub fn entrypoint(entrypoint: &[&str]) -> Self {
        Self {
            entrypoint: entrypoint.iter().map(|word| (*word).to_owned()).collect(),
            command: Vec::new(),
            healthcheck: None,
            architecture: this_architecture().to_owned(),
            environment: vec!["PATH=/".to_owned()],
            volumes: Vec::new(),
            stop_signal: None,
            labels: BTreeMap::new(),
            fields: BTreeMap::new(),
            extra_bytes: 0,
            salt: String::new(),
        }
    }

    /// A HEALTHCHECK that runs the sample runtime in this mode, a few times a second.
    pub fn healthcheck(mut self, mode: &str) -> Self {
        self.healthcheck = Some(mode.to_owned());
        self
    }

    /// For another machine, in the words of image configs.
    pub fn architecture(mut self, architecture: &str) -> Self {
        self.architecture = architecture.to_owned();
        self
    }

    /// Declares an anonymous volume.
    pub fn volume(mut self, path: &str) -> Self {
        self.volumes.push(path.to_owned());
        self
    }

    /// A STOPSIGNAL.
    pub fn stop_signal(mut self, signal: &str) -> Self {
        self.stop_signal = Some(signal.to_owned());
        self
    }

    /// Adds a label.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// One more variable of its own.
    pub fn variable(mut self, line: &str) -> Self {
        self.environment.push(line.to_owned());
        self
    }

    /// A field of its configuration exactly so, whatever an engine will say to it.
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// A second layer of so many bytes that do not compress.
    pub fn extra_bytes(mut self, bytes: usize) -> Self {
        self.extra_bytes = bytes;
        self
    }

    /// Sets this image apart from others that are the same otherwise.
    pub fn salt(mut self, salt: impl Into<String>) -> Self {
        self.salt = salt.into();
        self
    }

    /// Makes the image. The same spec makes the same bytes.
    pub fn build(&self) -> BuiltImage {
        let mut layers = vec![layer("runtime", crate::sample::program(), 0o755)];
        if self.extra_bytes > 0 {
            layers.push(layer("extra", &noise(self.extra_bytes, &self.salt), 0o644));
        }
        let config = json!({
            "architecture": self.architecture,
            "os": "linux",
            "config": self.config(),
            "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|l| l.0.clone()).collect::<Vec<_>>() },
            "history": [{ "created": "2025-01-01T00:00:00Z", "created_by": self.salt }],
            "created": "2025-01-01T00:00:00Z",
        });
        let config = config.to_string().into_bytes();
        let descriptor = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "size": bytes.len(), "digest": digest(bytes) });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": layers.iter().map(|(_, bytes)| descriptor(LAYER, bytes)).collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        let (id, digest_of_manifest) = (digest(&config), digest(&manifest));
        let blobs = layers.into_iter().map(|(_, bytes)| bytes).chain([config]);
        BuiltImage {
            digest: digest_of_manifest,
            id,
            manifest,
            blobs: blobs.map(|bytes| (digest(&bytes), bytes)).collect(),
            architecture: self.architecture.clone(),
        }
    }

    fn config(&self) -> Value {
        let mut labels = self.labels.clone();
        labels.insert("salt".to_owned(), self.salt.clone());
        let mut config = json!({
            "Entrypoint": self.entrypoint,
            "Cmd": self.command,
            "Env": self.environment,
            "Labels": labels,
        });
        if !self.volumes.is_empty() {
            let volumes = self.volumes.iter().map(|path| (path.clone(), json!({})));
            config["Volumes"] = Value::Object(volumes.collect());
        }
        if let Some(signal) = &self.stop_signal {
            config["StopSignal"] = json!(signal);
        }
        if let Some(mode) = &self.healthcheck {
            config["Healthcheck"] = json!({
                "Test": ["CMD", "/runtime", mode],
                "Interval": 300_000_000,
                "Timeout": 2_000_000_000,
                "Retries": 2,
            });
        }
        for (name, value) in &self.fields {
            config[name] = value.clone();
        }
        config
    }
}

/// An index that leads to one manifest an architecture.
pub fn index(images: &[&BuiltImage]) -> Vec<u8> {
    let manifests: Vec<Value> = images
        .iter()
        .map(|image| {
            json!({
                "mediaType": MANIFEST,
                "size": image.manifest.len(),
                "digest": image.digest,
                "platform": { "os": "linux", "architecture": image.architecture },
            })
        })
        .collect();
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests })
        .to_string()
        .into_bytes()
}

/// `sha256:…` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&SHA256, bytes);
    let hex: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// This machine, in the words of image configs.
pub fn this_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A gzipped tar with one file: its uncompressed digest and its bytes.
fn layer(name: &str, content: &[u8], mode: u32) -> (String, Vec<u8>) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_cksum();
    archive
        .append_data(&mut header, name, content)
        .expect("writing to memory");
    let tar = archive.into_inner().expect("writing to memory");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).expect("writing to memory");
    (digest(&tar), gzip.finish().expect("writing to memory"))
}

/// Bytes that look random and are the same each time.
fn noise(length: usize, salt: &str) -> Vec<u8> {
    let mut state = salt.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
