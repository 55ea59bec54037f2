//! What a registry is logged in to with.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::domain::blank_values;

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

impl RegistryAuth {
    /// The text without these credentials, in whatever form a registry that was sent them may hand them back.
    #[must_use]
    pub fn blank_in(&self, text: &str) -> String {
        match self {
            Self::Basic { username, password } => {
                let pair = format!("{username}:{password}");
                let encoded = [STANDARD.encode(&pair), URL_SAFE.encode(&pair)];
                let [standard, url_safe] = &encoded;
                let secrets = [
                    ("password", password.as_str()),
                    ("authorization", standard),
                    ("authorization", url_safe),
                ];
                blank_values(secrets, text)
            }
            Self::IdentityToken(token) | Self::RegistryToken(token) => {
                blank_values([("token", token.as_str())], text)
            }
        }
    }
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
