//! The fixed name of the runtime container.

use std::fmt;

use thiserror::Error;

use super::Environment;

/// A container name that no lookup of the engine can mistake for another container.
///
/// The engine falls back from names to id prefixes, and its client puts names into URLs unescaped.
/// The suffix `-dev` or `-prod` is no hexadecimal digit sequence, and the alphabet needs no escaping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerName(String);

/// Why a text is no container name for an environment.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ContainerNameError {
    /// The engine's own alphabet.
    #[error("must be 2 to 128 characters of [a-zA-Z0-9_.-], the first a letter or digit")]
    Alphabet,
    /// The suffix that keeps environments apart.
    #[error("must end in -{0}, the environment of this agent")]
    Suffix(Environment),
}

impl ContainerName {
    /// Parses a name for the given environment.
    ///
    /// # Errors
    /// A character the engine would not take, or a suffix other than the environment's.
    pub fn parse(text: &str, environment: Environment) -> Result<Self, ContainerNameError> {
        let first = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        let rest = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if !first || !rest || !(2..=128).contains(&text.len()) {
            return Err(ContainerNameError::Alphabet);
        }
        let suffix = format!("-{environment}");
        if !text.ends_with(&suffix) {
            return Err(ContainerNameError::Suffix(environment));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_contract_is_taken() {
        let name = ContainerName::parse("dreichor-runtime-dev", Environment::Dev);
        assert_eq!(name.expect("valid").as_str(), "dreichor-runtime-dev");
    }

    #[test]
    fn the_other_environments_name_is_refused() {
        let refused = ContainerName::parse("dreichor-runtime-dev", Environment::Prod);
        assert_eq!(refused, Err(ContainerNameError::Suffix(Environment::Prod)));
    }

    #[test]
    fn a_name_that_would_reach_another_endpoint_is_refused() {
        for hostile in [
            "../images-dev",
            "x?force=1-dev",
            "x/y-dev",
            "-dev",
            "",
            "a b-dev",
            "ä-dev",
        ] {
            let refused = ContainerName::parse(hostile, Environment::Dev);
            assert_eq!(refused, Err(ContainerNameError::Alphabet), "{hostile}");
        }
    }
}
