//! What a signature must be about: this very deploy.

use std::collections::BTreeMap;

use serde_json::Value;

use super::refusal::{Refusal, harmless};
use crate::domain::{Environment, ImageReference, Repository};

/// The annotations that a signature carries, by name.
pub(super) type Annotations = BTreeMap<String, Value>;

/// The deploy that a signature is wanted for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The reference that was asked for.
    pub image: &'a ImageReference,
    /// The digest that was pulled under it, and by which the container is created: of the index where there is one.
    pub digest: &'a str,
    /// The agent's own environment.
    pub environment: Environment,
}

impl Expected<'_> {
    /// Takes the digest that was pulled and no other: not that of a platform's manifest for that of the index, which
    /// leads to other manifests as well, nor the other way round.
    pub(super) fn digest(&self, found: &str) -> Result<(), Refusal> {
        if found == self.digest {
            return Ok(());
        }
        Err(Refusal::Digest {
            found: harmless(found),
            wanted: self.digest.to_owned(),
        })
    }

    /// Takes our repository, under any of its names.
    pub(super) fn repository(&self, found: &str) -> Result<(), Refusal> {
        let wanted = self.image.repository();
        let same = |found: Repository| found.familiar() == wanted.familiar();
        if Repository::parse(found).is_ok_and(same) {
            return Ok(());
        }
        Err(Refusal::Repository {
            found: harmless(found),
            wanted: wanted.as_str().to_owned(),
        })
    }

    /// Takes annotations that name this tag and this environment, and no other repository. A bundle names none
    /// otherwise, so a key that signs for several should say which.
    pub(super) fn annotations(&self, found: &Annotations) -> Result<(), Refusal> {
        exactly(found, "tag", self.image.tag().as_str())?;
        exactly(found, "environment", self.environment.as_str())?;
        match found.get("repository") {
            None => Ok(()),
            Some(Value::String(repository)) => self.repository(repository),
            Some(other) => self.repository(&other.to_string()),
        }
    }
}

fn exactly(found: &Annotations, name: &'static str, wanted: &str) -> Result<(), Refusal> {
    match found.get(name) {
        None => Err(Refusal::NoAnnotation(name)),
        Some(Value::String(text)) if text == wanted => Ok(()),
        Some(other) => Err(Refusal::Annotation {
            name,
            found: match other {
                Value::String(text) => harmless(text),
                other => harmless(&other.to_string()),
            },
            wanted: wanted.to_owned(),
        }),
    }
}
