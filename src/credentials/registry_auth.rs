//! What a registry is logged in to with.

use std::fmt;

/// What the engine needs to log in to one registry. `Debug` shows no secret; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub enum RegistryAuth {
    /// User name and password.
    Basic {
        /// The user.
        username: String,
        /// The password or access token.
        password: String,
    },
    /// An OAuth refresh token, as a helper gives it under the user name `<token>`.
    IdentityToken(String),
    /// A bearer token for the registry itself.
    RegistryToken(String),
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic([redacted])",
            Self::IdentityToken(_) => "IdentityToken([redacted])",
            Self::RegistryToken(_) => "RegistryToken([redacted])",
        })
    }
}
