//! How a registry fails to answer.

use std::time::Duration;

use thiserror::Error;

use crate::credentials::CredentialsError;
use crate::https::NoAuthorities;

/// Why the registry gave no answer to rely on. Holds no secret and nothing that the other side sent but numbers.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// Docker's configuration or a helper.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// No TLS without authorities.
    #[error(transparent)]
    Authorities(#[from] NoAuthorities),
    /// No connection, no TLS, or it broke off.
    #[error("the registry could not be reached or broke off when it was asked for {0}: {1}")]
    Transport(&'static str, String),
    /// The question as a whole took too long.
    #[error("the registry gave no whole answer about signatures within {} s", .0.as_secs())]
    Deadline(Duration),
    /// 401 or 403, with or without credentials.
    #[error("the registry refuses access to its signatures ({status}{})", if *.anonymous { ", and there are no credentials for it" } else { "" })]
    Denied {
        /// The status.
        status: u16,
        /// Whether there were none to present.
        anonymous: bool,
    },
    /// The token server says no.
    #[error("the registry's token server answered {0} instead of a token")]
    NoToken(u16),
    /// Another status than expected.
    #[error("the registry answered {status} when it was asked for {what}")]
    Status {
        /// What was asked for.
        what: &'static str,
        /// The status.
        status: u16,
    },
    /// It lists what it does not have.
    #[error("the registry lists a signature and does not have it")]
    Missing,
    /// The bytes are not those that were asked for.
    #[error("the registry sent other bytes than the digest of {0} names")]
    OtherBytes(&'static str),
    /// More bytes than anything of this kind has.
    #[error("{what} is larger than {} KiB", .limit / 1024)]
    TooLarge {
        /// What.
        what: &'static str,
        /// In bytes.
        limit: usize,
    },
    /// An address that credentials, or the agent, must not follow.
    #[error("the registry leads to {0}, which is neither HTTPS nor on this host")]
    Astray(&'static str),
    /// It redirects in a circle.
    #[error("the registry redirects more than {0} times")]
    Redirects(usize),
    /// An answer that cannot be understood.
    #[error("the registry's answer is not understood: {0}")]
    Broken(&'static str),
}

impl RegistryError {
    /// Whether there was no way to it at all, or none in time.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Transport(..) | Self::Deadline(_))
    }

    /// Whether time ran out, and not the registry's patience.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        matches!(self, Self::Deadline(_))
    }
}
