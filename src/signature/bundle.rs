//! The Sigstore bundle that cosign 3 attaches: a DSSE envelope around an in-toto statement.
//!
//! What cosign writes stands in `subject[0].annotations`; its predicate is empty. Entries of a transparency log and
//! timestamps may be there and prove nothing here: the agent works offline, and the pinned key decides.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::expected::{Annotations, Expected};
use super::key::{KeyId, PinnedKey};
use super::refusal::Refusal;
use super::strict;

/// Media type of the bundle.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD: &str = "application/vnd.in-toto+json";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// A signature of an image; other predicates, such as an SBOM's, say nothing about a release.
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
    /// What `cosign sign-blob` makes.
    #[serde(rename = "messageSignature")]
    _message_signature: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Material {
    public_key: Option<NamedKey>,
    certificate: Option<IgnoredAny>,
    x509_certificate_chain: Option<IgnoredAny>,
    #[serde(rename = "tlogEntries")]
    _tlog_entries: Option<IgnoredAny>,
    #[serde(rename = "timestampVerificationData")]
    _timestamps: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NamedKey {
    hint: Option<String>,
    raw_bytes: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    sig: String,
    #[serde(rename = "keyid")]
    _keyid: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(rename = "predicate")]
    _predicate: Option<IgnoredAny>,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    name: Option<String>,
    digest: BTreeMap<String, String>,
    annotations: Option<Annotations>,
}

/// Whether `bundle` is a signature of exactly this deploy by one of `keys`: which.
///
/// # Errors
/// Why it is not. Nothing is read of the payload that no pinned key has signed.
pub fn check_bundle(
    bundle: &[u8],
    keys: &[PinnedKey],
    expected: &Expected<'_>,
) -> Result<KeyId, Refusal> {
    let bundle: Bundle = strict::from_slice("bundle", bundle)?;
    Refusal::unless("media type", &bundle.media_type, BUNDLE)?;
    let material = &bundle.verification_material;
    let named = material.public_key.as_ref();
    let own_key = material.certificate.is_some()
        || material.x509_certificate_chain.is_some()
        || named.is_some_and(|key| key.raw_bytes.is_some());
    if own_key {
        return Err(Refusal::OwnKey);
    }
    let envelope = bundle.dsse_envelope.ok_or(Refusal::NoStatement)?;
    let hint = named.and_then(|key| key.hint.as_deref());
    let (payload, key) = opened(&envelope, hint.filter(|hint| !hint.is_empty()), keys)?;
    check_statement(&payload, expected)?;
    Ok(key)
}

/// The payload, if a pinned key has signed it.
fn opened(
    envelope: &Envelope,
    hint: Option<&str>,
    keys: &[PinnedKey],
) -> Result<(Vec<u8>, KeyId), Refusal> {
    Refusal::unless("payload type", &envelope.payload_type, PAYLOAD)?;
    let [signature] = envelope.signatures.as_slice() else {
        return Err(Refusal::Signatures(envelope.signatures.len()));
    };
    let decoded = |what, text: &str| STANDARD.decode(text).map_err(|_| Refusal::Base64(what));
    let payload = decoded("payload", &envelope.payload)?;
    let signature = decoded("signature", &signature.sig)?;
    let message = signed_bytes(&envelope.payload_type, &payload);
    let made = |key: &&PinnedKey| {
        hint.is_none_or(|hint| hint == key.hint()) && key.made(&signature, &message)
    };
    let key = keys.iter().find(made).ok_or(Refusal::OtherKey)?;
    Ok((payload, key.id()))
}

/// What DSSE signs: the pre-authentication encoding of type and payload.
fn signed_bytes(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn check_statement(payload: &[u8], expected: &Expected<'_>) -> Result<(), Refusal> {
    let statement: Statement = strict::from_slice("statement", payload)?;
    Refusal::unless("statement type", &statement.kind, STATEMENT)?;
    Refusal::unless("predicate type", &statement.predicate_type, SIGNATURE)?;
    let [subject] = statement.subject.as_slice() else {
        return Err(Refusal::Subjects(statement.subject.len()));
    };
    let digests: Vec<String> = subject
        .digest
        .iter()
        .map(|(algorithm, hex)| format!("{algorithm}:{hex}"))
        .collect();
    expected.digest(&digests.join(", "))?;
    if let Some(name) = subject.name.as_deref().filter(|name| !name.is_empty()) {
        expected.repository(name)?;
    }
    let none = Annotations::new();
    expected.annotations(subject.annotations.as_ref().unwrap_or(&none))
}
