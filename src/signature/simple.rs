//! The simple signing of cosign 2: a signed JSON payload that names repository and digest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::expected::{Annotations, Expected};
use super::key::{KeyId, PinnedKey};
use super::refusal::Refusal;
use super::strict;

/// Media type of the payload.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const TYPE: &str = "cosign container image signature";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    critical: Critical,
    optional: Option<Annotations>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// Whether `payload` and its `signature` (base64) are one of exactly this deploy by one of `keys`: which.
///
/// # Errors
/// Why they are not. Nothing is read of a payload that no pinned key has signed.
pub fn check_simple(
    payload: &[u8],
    signature: &str,
    keys: &[PinnedKey],
    expected: &Expected<'_>,
) -> Result<KeyId, Refusal> {
    let decoded = STANDARD.decode(signature);
    let signature = decoded.map_err(|_| Refusal::Base64("signature"))?;
    let mut made = keys.iter().filter(|key| key.made(&signature, payload));
    let key = made.next().ok_or(Refusal::OtherKey)?;
    let payload: Payload = strict::from_slice("payload", payload)?;
    Refusal::unless("payload type", &payload.critical.kind, TYPE)?;
    expected.digest(&payload.critical.image.digest)?;
    expected.repository(&payload.critical.identity.reference)?;
    expected.annotations(&payload.optional.unwrap_or_default())?;
    Ok(key.id())
}
