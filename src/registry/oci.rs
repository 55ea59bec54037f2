//! What a registry attaches to an image: descriptors, the lists and the manifests that hold them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A list of what is attached.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// One thing that is attached.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The same in Docker's words, which cosign 2 writes where a registry takes nothing else.
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Whatever else the specification may put into them is not looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    pub(super) manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) layers: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// Whether its digest may stand in an address, and says what the bytes must be.
    pub(super) fn has_digest(&self) -> bool {
        self.digest.strip_prefix("sha256:").is_some_and(is_sha256)
    }
}

/// 64 lower-case hexadecimal digits.
pub(super) fn is_sha256(hex: &str) -> bool {
    hex.len() == 64
        && hex
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `sha256:…` of some bytes.
pub(super) fn digest(bytes: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut shown = String::from("sha256:");
    for byte in hash.as_ref() {
        shown.push_str(&format!("{byte:02x}"));
    }
    shown
}

/// A repository that was pulled from a moment ago is not unknown: such an answer tells nothing of signatures.
pub(super) fn names_no_repository(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Code>,
    }
    #[derive(Deserialize)]
    struct Code {
        code: String,
    }
    serde_json::from_slice::<Errors>(body).is_ok_and(|answer| {
        answer
            .errors
            .iter()
            .any(|error| error.code == "NAME_UNKNOWN")
    })
}
