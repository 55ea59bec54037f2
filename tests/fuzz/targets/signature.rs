//! Signatures of images: of all byte strings only those that were signed count, whatever they are wrapped in.
//!
//! Both samples were made once by the real cosign (3.1.1 and 2.5.0) with a key that nobody has any more.

use std::path::Path;
use std::sync::LazyLock;

use deploy_agent::domain::{Environment, ImageReference, Repository};
use deploy_agent::signature::{Expected, PinnedKey, check_bundle, check_simple, strict_json};
use serde_json::Value;

/// As cosign 3 attaches it, and as cosign 2 does, with the signature that lies beside it.
pub const BUNDLE: &str = include_str!("signature.bundle.json");
pub const PAYLOAD: &str = include_str!("signature.payload.json");
pub const SIGNATURE: &str = include_str!("signature.payload.sig");
const KEY: &str = include_str!("signature.pub");
/// What they were made for.
const DIGEST: &str = "sha256:0d32cad63a96d601b40b27d4464d988ec2a10c4bd80d2b4bb11e3a11b8b622e9";
const REPOSITORY: &str = "127.0.0.1:5599/test/runtime";

static KEYS: LazyLock<Vec<PinnedKey>> =
    LazyLock::new(|| PinnedKey::parse(Path::new("/cosign.pub"), KEY.as_bytes()).expect("a key"));
static IMAGE: LazyLock<ImageReference> = LazyLock::new(|| {
    let repository = Repository::parse(REPOSITORY).expect("valid");
    let image = format!("{REPOSITORY}:1.0.0");
    ImageReference::parse(&image, &repository, Environment::Dev).expect("valid")
});

fn expected() -> Expected<'static> {
    Expected {
        image: &IMAGE,
        digest: DIGEST,
        environment: Environment::Dev,
    }
}

/// Whether this counts as a bundle, and whether it is told in words that may be shown.
pub fn bundle_counts(data: &[u8]) -> bool {
    let verdict = check_bundle(data, &KEYS, &expected());
    if let Err(refusal) = &verdict {
        shown(&refusal.to_string());
    }
    verdict.is_ok()
}

/// The same of a payload of the older form and its signature.
pub fn payload_counts(payload: &[u8], signature: &str) -> bool {
    let verdict = check_simple(payload, signature, &KEYS, &expected());
    if let Err(refusal) = &verdict {
        shown(&refusal.to_string());
    }
    verdict.is_ok()
}

fn shown(reason: &str) {
    assert!(reason.len() < 1500, "{reason:?}");
    assert!(!reason.chars().any(char::is_control), "{reason:?}");
}

pub fn check(data: &[u8]) {
    assert_eq!(
        payload_counts(data, SIGNATURE),
        data == PAYLOAD.as_bytes(),
        "the payload is what was signed, byte for byte"
    );
    if let Ok(signature) = std::str::from_utf8(data) {
        assert_eq!(
            payload_counts(PAYLOAD.as_bytes(), signature),
            signature == SIGNATURE
        );
    }
    let parsed = serde_json::from_slice::<Value>(data);
    if bundle_counts(data) {
        // Blanks, and what proves nothing, may be others.
        let (good, found): (Value, Value) = (
            serde_json::from_str(BUNDLE).expect("JSON"),
            parsed.as_ref().expect("what counts is JSON").clone(),
        );
        for field in ["payload", "payloadType"] {
            assert_eq!(found["dsseEnvelope"][field], good["dsseEnvelope"][field]);
        }
        let signature = |of: &Value| of["dsseEnvelope"]["signatures"][0]["sig"].clone();
        assert_eq!(signature(&found), signature(&good));
    }
    // The strict reader takes no more than the other, and what it takes means the same.
    match (strict_json::<Value>("text", data), parsed) {
        (Ok(strict), Ok(parsed)) => assert_eq!(strict, parsed),
        (Ok(_), Err(error)) => panic!("only the strict reader takes it: {error}"),
        (Err(refusal), Ok(_)) => {
            let reason = refusal.to_string();
            shown(&reason);
            assert!(reason.contains("twice"), "{reason}");
        }
        (Err(_), Err(_)) => {}
    }
    if let Ok(keys) = PinnedKey::parse(Path::new("/k"), data) {
        assert!(!keys.is_empty());
    }
}
