//! A key set as published: the RSA keys in it that may sign assertions.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use thiserror::Error;

/// Cloudflare publishes two, the current key and the one before it.
const KEY_LIMIT: usize = 16;

/// Real key ids are 64 hexadecimal digits.
const KEY_ID_LIMIT: usize = 128;

/// Below 2048 bits a key can be broken; above 8192 verifying would cost a caller nothing and us much.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why a document is no key set that could verify anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum KeySetError {
    #[error("what came is not a key set")]
    NotAKeySet,
    #[error("the key set holds more than {KEY_LIMIT} keys")]
    TooMany,
    #[error("the key set holds no RSA key of 2048 bits or more with a key id")]
    NoUsableKey,
}

/// At least one key, by its id.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<(String, DecodingKey)>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct RsaKey {
    kty: String,
    kid: String,
    n: String,
    e: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
}

impl KeySet {
    /// Keeps every key that may be used and passes over the others: one unknown key type must not make
    /// the good ones beside it useless.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let document: Document =
            serde_json::from_slice(json).map_err(|_| KeySetError::NotAKeySet)?;
        if document.keys.len() > KEY_LIMIT {
            return Err(KeySetError::TooMany);
        }
        let keys: Vec<_> = document.keys.into_iter().filter_map(usable).collect();
        match keys.is_empty() {
            true => Err(KeySetError::NoUsableKey),
            false => Ok(Self(keys)),
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&DecodingKey> {
        self.0
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, key)| key)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A key id that could be one: bounded, visible, nothing else. It is only ever compared.
pub(crate) fn plausible_key_id(id: &str) -> bool {
    (1..=KEY_ID_LIMIT).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn usable(value: serde_json::Value) -> Option<(String, DecodingKey)> {
    let key: RsaKey = serde_json::from_value(value).ok()?;
    let for_us = key.kty == "RSA"
        && key.alg.as_deref().is_none_or(|alg| alg == "RS256")
        && key.usage.as_deref().is_none_or(|usage| usage == "sig")
        && plausible_key_id(&key.kid);
    if !for_us {
        return None;
    }
    let modulus = URL_SAFE_NO_PAD.decode(&key.n).ok()?;
    let exponent = URL_SAFE_NO_PAD.decode(&key.e).ok()?;
    let key_bits = MODULUS_BITS.contains(&bits(&modulus));
    key_bits.then(|| {
        (
            key.kid,
            DecodingKey::from_rsa_raw_components(&modulus, &exponent),
        )
    })
}

/// The length of a big-endian number, leading zeros not counted.
fn bits(number: &[u8]) -> usize {
    let significant = number
        .iter()
        .position(|byte| *byte != 0)
        .map_or(&[][..], |at| &number[at..]);
    let first = significant
        .first()
        .map_or(0, |byte| byte.leading_zeros() as usize);
    significant.len() * 8 - first
}
