//! What was found out about the signature of an image.

use super::key::KeyId;

/// The two forms that are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The Sigstore bundle of cosign 3.
    Bundle,
    /// The simple signing of cosign 2.
    SimpleSigning,
}

impl Form {
    /// The word for it in log and trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::SimpleSigning => "simple_signing",
        }
    }
}

/// What the registry has for a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A signature that counts.
    Signed {
        /// The pinned key that made it.
        key: KeyId,
        /// In which form it is attached.
        form: Form,
    },
    /// None that counts; why, in words.
    NotSigned(String),
}
