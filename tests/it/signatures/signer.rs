//! A key that signs as cosign does, or in any other way, and puts what it made where cosign puts it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dreichor_test_support::images::{self, digest};
use serde_json::{Value, json};

use dreichor_test_support::registry::Registry;

use crate::harness::World;

pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
pub const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
pub const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// What precedes the point in the encoding of every P-256 key.
const PREFIX: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

/// Where signatures are put.
pub trait Place {
    fn registry(&self) -> &Registry;
    /// The repository as the registry calls it.
    fn path(&self) -> &str;
    /// The repository as images name it.
    fn repository(&self) -> &str;
}

impl Place for World {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn path(&self) -> &str {
        self.repository_path()
    }

    fn repository(&self) -> &str {
        &self.repository
    }
}

pub struct Signer {
    pair: EcdsaKeyPair,
}

impl Signer {
    pub fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        Self { pair }
    }

    fn der(&self) -> Vec<u8> {
        [PREFIX, self.pair.public_key().as_ref()].concat()
    }

    /// The public half.
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(self.der());
        let lines: Vec<&str> = [&text[..64], &text[64..]].to_vec();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }

    /// How records name it.
    pub fn id(&self) -> String {
        digest(&self.der())
    }

    pub fn hint(&self) -> String {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der());
        STANDARD.encode(hash)
    }

    /// A signature of some bytes, in base64.
    pub fn signature(&self, message: &[u8]) -> String {
        let signed = self.pair.sign(&SystemRandom::new(), message);
        STANDARD.encode(signed.expect("signed"))
    }

    /// A bundle around a payload of this type.
    pub fn envelope(&self, kind: &str, payload: &[u8]) -> Value {
        let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
        let message = [head.as_bytes(), payload].concat();
        json!({
            "mediaType": BUNDLE,
            "verificationMaterial": { "publicKey": { "hint": self.hint() } },
            "dsseEnvelope": {
                "payload": STANDARD.encode(payload),
                "payloadType": kind,
                "signatures": [{ "sig": self.signature(&message) }],
            },
        })
    }

    /// A bundle of cosign 3 for a statement.
    pub fn bundle(&self, statement: &Value) -> Value {
        self.envelope(PAYLOAD_TYPE, statement.to_string().as_bytes())
    }

    /// Signs a digest for this tag and `dev` as cosign 3 does, under the fallback tag.
    pub fn sign(&self, place: &impl Place, tag: &str, digest: &str) {
        let bundle = self.bundle(&statement(digest, tag, "dev"));
        attach(place, digest, &[bundle.to_string()]);
    }

    /// The same as cosign 2 does.
    pub fn sign_simple(&self, place: &impl Place, tag: &str, digest: &str) {
        let payload = simple(place.repository(), digest, tag, "dev").to_string();
        let signature = self.signature(payload.as_bytes());
        attach_simple(place, digest, &[(payload, signature)]);
    }
}

/// What cosign 3 signs.
pub fn statement(digest: &str, tag: &str, environment: &str) -> Value {
    json!({
        "_type": STATEMENT,
        "subject": [{
            "digest": { "sha256": digest.strip_prefix("sha256:").expect("a digest") },
            "annotations": { "environment": environment, "tag": tag },
        }],
        "predicateType": PREDICATE,
        "predicate": {},
    })
}

/// What cosign 2 signs.
pub fn simple(repository: &str, digest: &str, tag: &str, environment: &str) -> Value {
    json!({
        "critical": {
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": digest },
            "type": "cosign container image signature",
        },
        "optional": { "environment": environment, "tag": tag },
    })
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": kind, "size": bytes.len(), "digest": digest(bytes) })
}

/// The manifest that holds a bundle; the bundle is kept with it.
pub fn bundle_manifest(
    place: &impl Place,
    subject: &str,
    layer_type: &str,
    bundle: &[u8],
) -> Vec<u8> {
    let registry = place.registry();
    registry.attach_blob(b"{}");
    registry.attach_blob(bundle);
    json!({
        "schemaVersion": 2,
        "mediaType": images::MANIFEST,
        "config": descriptor(EMPTY, b"{}"),
        "layers": [descriptor(layer_type, bundle)],
        "subject": { "mediaType": images::INDEX, "size": 2, "digest": subject },
        "artifactType": BUNDLE,
    })
    .to_string()
    .into_bytes()
}

/// Keeps manifests, and gives a list of them.
pub fn list(place: &impl Place, manifests: &[Vec<u8>]) -> Vec<u8> {
    let listed = manifests.iter().map(|manifest| {
        let path = place.path();
        place
            .registry()
            .attach(path, None, images::MANIFEST, manifest);
        let mut listed = descriptor(images::MANIFEST, manifest);
        // As ghcr.io shows it.
        listed["artifactType"] = json!(EMPTY);
        listed
    });
    let listed: Vec<Value> = listed.collect();
    json!({ "schemaVersion": 2, "mediaType": images::INDEX, "manifests": listed })
        .to_string()
        .into_bytes()
}

/// `sha256-<hex>`
pub fn fallback_tag(digest: &str) -> String {
    digest.replace(':', "-")
}

/// Puts bundles under the fallback tag of a digest.
pub fn attach(place: &impl Place, subject: &str, bundles: &[String]) {
    let manifests: Vec<Vec<u8>> = bundles
        .iter()
        .map(|bundle| bundle_manifest(place, subject, BUNDLE, bundle.as_bytes()))
        .collect();
    let index = list(place, &manifests);
    let tag = fallback_tag(subject);
    place
        .registry()
        .attach(place.path(), Some(&tag), images::INDEX, &index);
}

/// Puts payloads and their signatures under the older tag of a digest.
pub fn attach_simple(place: &impl Place, subject: &str, payloads: &[(String, String)]) {
    let layers = payloads.iter().map(|(payload, signature)| {
        place.registry().attach_blob(payload.as_bytes());
        let mut layer = descriptor(SIMPLE, payload.as_bytes());
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
        layer
    });
    let layers: Vec<Value> = layers.collect();
    attach_simple_layers(place, subject, &json!(layers));
}

pub fn attach_simple_layers(place: &impl Place, subject: &str, layers: &Value) {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": images::MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": layers,
    });
    let tag = format!("{}.sig", fallback_tag(subject));
    let manifest = manifest.to_string().into_bytes();
    let path = place.path();
    place
        .registry()
        .attach(path, Some(&tag), images::MANIFEST, &manifest);
}
