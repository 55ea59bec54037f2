//! Signed images: what a signature must say to count, and nothing of where it comes from.
//!
//! Two forms are in use: the Sigstore bundle that cosign 3 attaches ([`check_bundle`]) and the simple signing of cosign 2
//! ([`check_simple`]). Both are made by a pinned key over bytes that name the digest, and carry `tag` and `environment` as
//! annotations, because neither form binds the tag otherwise. What is not exactly that is a [`Refusal`] with its reason.
//! The signature is checked before its content is read, and no key counts but those of `SIGNATURE_KEYS`.

mod bundle;
mod expected;
mod key;
mod policy;
mod refusal;
mod simple;
mod strict;
mod verdict;

pub use bundle::{BUNDLE, check_bundle};
pub use expected::Expected;
pub use key::{KeyError, KeyId, PinnedKey};
pub use policy::{SignaturePolicy, SignatureSettings};
pub use refusal::{Refusal, harmless};
pub use simple::{SIMPLE_SIGNING, check_simple};
pub use strict::from_slice as strict_json;
pub use verdict::{Form, Verdict};
