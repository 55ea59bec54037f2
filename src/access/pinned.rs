//! Pinned service tokens: a client id and the hash of its secret, several pairs while one is rotated.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// A SHA-256.
pub(crate) type Sha256 = [u8; SHA256_OUTPUT_LEN];

/// One token. The id is kept as text for the assertion's `common_name`.
#[derive(Clone)]
struct Pair {
    id: String,
    id_hash: Sha256,
    secret_hash: Sha256,
}

/// The tokens that may pass; at least one.
#[derive(Clone)]
pub(crate) struct PinnedTokens(Vec<Pair>);

/// Tells how many, never which hashes.
impl fmt::Debug for PinnedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedTokens({})", self.0.len())
    }
}

impl PinnedTokens {
    /// From client ids and the hashes of their secrets, in the same order.
    pub(crate) fn new(pairs: impl IntoIterator<Item = (String, Sha256)>) -> Self {
        let pair = |(id, secret_hash): (String, Sha256)| Pair {
            id_hash: sha256(id.as_bytes()),
            id,
            secret_hash,
        };
        Self(pairs.into_iter().map(pair).collect())
    }

    /// Whether id and secret belong together and are pinned.
    ///
    /// Hashes both and compares with every pair to the end, whatever matched before: an unknown id, a
    /// wrong secret and a right one take the same path and the same time.
    pub(crate) fn contains(&self, id: &[u8], secret: &[u8]) -> bool {
        let (id, secret) = (sha256(id), sha256(secret));
        self.0.iter().fold(false, |found, pair| {
            found | (equal(&pair.id_hash, &id) & equal(&pair.secret_hash, &secret))
        })
    }

    /// Whether a token of this id is pinned. Ids are no secrets.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.0.iter().any(|pair| pair.id == id)
    }

    /// Ids and hashes, for a keyed fingerprint only.
    pub(crate) fn fingerprinted(&self) -> Vec<(&str, &Sha256)> {
        let pairs = self.0.iter();
        pairs
            .map(|pair| (pair.id.as_str(), &pair.secret_hash))
            .collect()
    }

    /// The ids, for the start log.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|pair| pair.id.as_str())
    }
}

fn equal(a: &Sha256, b: &Sha256) -> bool {
    verify_slices_are_equal(a, b).is_ok()
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    let mut hash = [0; SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}
