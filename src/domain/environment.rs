//! The two environments of the contract.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One of the two strictly separated environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Development.
    Dev,
    /// Production.
    Prod,
}

/// The text names no environment.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("must be dev or prod")]
pub struct UnknownEnvironment;

impl Environment {
    /// The name as the contract writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Prod => "prod",
        }
    }

    /// The one that this one is kept apart from.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Dev => Self::Prod,
            Self::Prod => Self::Dev,
        }
    }

    /// The port the contract gives this environment's agent.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Dev => 3005,
            Self::Prod => 3006,
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "dev" => Ok(Self::Dev),
            "prod" => Ok(Self::Prod),
            _ => Err(UnknownEnvironment),
        }
    }
}
