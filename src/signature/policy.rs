//! Whether images must be signed, and by which keys.

use std::fmt;

use super::key::PinnedKey;

/// What an image without an accepted signature means: `SIGNATURE_POLICY`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SignaturePolicy {
    /// Nobody asks.
    #[default]
    Off,
    /// It is recorded and logged, and deployed.
    Warn,
    /// It is refused.
    Enforce,
}

impl SignaturePolicy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Off, Self::Warn, Self::Enforce];

    /// The word for it in settings, log and trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }
}

/// `SIGNATURE_POLICY` and `SIGNATURE_KEYS`.
#[derive(Debug, Clone, Default)]
pub struct SignatureSettings {
    /// What a missing signature means.
    pub policy: SignaturePolicy,
    /// The keys that count; none when the policy is off.
    pub keys: Vec<PinnedKey>,
}

impl SignatureSettings {
    /// Whether a deploy asks for signatures at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.policy != SignaturePolicy::Off
    }
}

/// The state of the policy in one line: `enforce, by sha256:… or sha256:…`.
impl fmt::Display for SignatureSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.policy.as_str())?;
        for (at, key) in self.keys.iter().enumerate() {
            f.write_str(if at == 0 { ", by " } else { " or " })?;
            key.id().fmt(f)?;
        }
        Ok(())
    }
}
