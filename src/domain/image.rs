//! Image references: `repository:tag`, of the one repository that is allowed.

use std::fmt;

use thiserror::Error;

use super::Environment;

/// The repository of the contract.
pub const DEFAULT_REPOSITORY: &str = "ghcr.io/ceerkle/dreichor-trading/runtime";

/// The longest tag of the OCI distribution specification.
const LONGEST_TAG: usize = 128;
/// The longest repository name the Docker reference grammar takes.
const LONGEST_REPOSITORY: usize = 255;

/// The one repository that images may come from, registry host included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository(String);

/// A tag of the OCI distribution specification, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

/// A full reference. Nothing in it was inferred or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    repository: Repository,
    tag: Tag,
    text: String,
}

/// The setting is no repository name.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("must be host/path[/path…] in lower case without a tag or digest, e.g. ghcr.io/owner/name")]
pub struct RepositoryError;

/// Why an image reference is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ImageError {
    /// Another repository, or no repository at all.
    #[error("image must be {allowed}:<immutable-tag>; other repositories are not allowed")]
    Repository {
        /// The allowed repository.
        allowed: String,
    },
    /// The reference names no tag.
    #[error("image must name a tag: {allowed}:<immutable-tag>; the agent infers none")]
    NoTag {
        /// The allowed repository.
        allowed: String,
    },
    /// The reference carries a digest.
    #[error("image must be given by tag only: {allowed}:<immutable-tag>, without a digest")]
    Digest {
        /// The allowed repository.
        allowed: String,
    },
    /// The tag breaks the grammar.
    #[error(
        "the tag must be 1 to 128 characters of [a-zA-Z0-9_.-], the first a letter, digit or underscore"
    )]
    Tag,
    /// `latest` in production.
    #[error("the tag latest is forbidden in prod; name an immutable tag")]
    Latest,
}

impl Repository {
    /// Parses the allowed repository.
    ///
    /// # Errors
    /// No registry host, an upper-case path, a tag or a digest.
    pub fn parse(text: &str) -> Result<Self, RepositoryError> {
        let (host, path) = text.split_once('/').ok_or(RepositoryError)?;
        let explicit_host = host.contains(['.', ':']) || host == "localhost";
        if !explicit_host
            || !is_host(host)
            || !path.split('/').all(is_path_component)
            || text.len() > LONGEST_REPOSITORY
        {
            return Err(RepositoryError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The registry's host, with its port if one is named.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// The repository as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text has the form of an image reference of some registry, whatever its tag is. What has not may be anything
/// that was put into the wrong place, a secret among it.
#[must_use]
pub fn names_a_repository(text: &str) -> bool {
    let name = text.split_once('@').map_or(text, |(name, _)| name);
    let untagged = match name.rsplit_once(':') {
        // Behind the last slash; before it stands a port.
        Some((untagged, tag)) if !tag.contains('/') => untagged,
        _ => name,
    };
    Repository::parse(untagged).is_ok()
}

/// `label[.label…][:port]`, letters, digits and, within a label, hyphens.
fn is_host(host: &str) -> bool {
    let (name, port) = host
        .split_once(':')
        .map_or((host, None), |(name, port)| (name, Some(port)));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.split('.').all(is_label)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

/// A path component of the distribution specification: lower-case runs joined by `.`, `_`, `__` or hyphens.
fn is_path_component(part: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let separators_fine = !part.contains("..")
        && !part.contains("___")
        && !part.contains("._")
        && !part.contains("_.");
    edge(part.bytes().next())
        && edge(part.bytes().last())
        && separators_fine
        && part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

impl Tag {
    fn parse(text: &str) -> Result<Self, ImageError> {
        let first = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        let rest = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if first && rest && text.len() <= LONGEST_TAG {
            Ok(Self(text.to_owned()))
        } else {
            Err(ImageError::Tag)
        }
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ImageReference {
    /// Parses what a deploy request asks for.
    ///
    /// # Errors
    /// Anything but `allowed:<tag>`; `latest` in prod. Messages quote nothing of the request.
    pub fn parse(
        text: &str,
        allowed: &Repository,
        environment: Environment,
    ) -> Result<Self, ImageError> {
        let named = || allowed.0.clone();
        let rest = text
            .strip_prefix(allowed.as_str())
            .ok_or_else(|| ImageError::Repository { allowed: named() })?;
        if rest.is_empty() {
            return Err(ImageError::NoTag { allowed: named() });
        }
        if rest.contains('@') {
            return Err(ImageError::Digest { allowed: named() });
        }
        let tag = rest
            .strip_prefix(':')
            .ok_or_else(|| ImageError::Repository { allowed: named() })?;
        let tag = Tag::parse(tag)?;
        if environment == Environment::Prod && tag.as_str() == "latest" {
            return Err(ImageError::Latest);
        }
        Ok(Self {
            repository: allowed.clone(),
            tag,
            text: text.to_owned(),
        })
    }

    /// The reference exactly as it was asked for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &Tag {
        &self.tag
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed() -> Repository {
        Repository::parse("ghcr.io/ceerkle/dreichor-trading/runtime").expect("valid")
    }

    fn parse(text: &str) -> Result<ImageReference, ImageError> {
        ImageReference::parse(text, &allowed(), Environment::Prod)
    }

    #[test]
    fn an_immutable_tag_of_the_allowed_repository_is_taken_as_it_is() {
        let image = parse("ghcr.io/ceerkle/dreichor-trading/runtime:1.2.3-abc_DEF").expect("valid");
        assert_eq!(image.tag().as_str(), "1.2.3-abc_DEF");
        assert_eq!(
            image.as_str(),
            "ghcr.io/ceerkle/dreichor-trading/runtime:1.2.3-abc_DEF"
        );
        assert_eq!(image.repository().host(), "ghcr.io");
    }

    #[test]
    fn what_has_not_the_form_of_a_reference_may_be_a_secret() {
        for named in [
            "ghcr.io/a/b:1",
            "ghcr.io/a/b:not a tag",
            "ghcr.io/a/b",
            "127.0.0.1:5000/a/b:1@sha256:00",
            "localhost:5000/a",
        ] {
            assert!(names_a_repository(named), "{named}");
        }
        for other in [
            "",
            "s3cret",
            "alpine:3",
            "user:s3cret",
            "https://user:s3cret@host.example/x",
            "postgres://user:s3cret@host.example:5432/db",
            "a/b:s3cret",
        ] {
            assert!(!names_a_repository(other), "{other}");
        }
    }

    #[test]
    fn everything_else_is_refused_for_its_own_reason() {
        let repository = Err(ImageError::Repository {
            allowed: allowed().0,
        });
        let base = "ghcr.io/ceerkle/dreichor-trading/runtime";
        assert_eq!(parse("alpine:3"), repository);
        assert_eq!(parse(&format!("{base}-evil:1")), repository);
        assert_eq!(parse(&format!("{base}/x:1")), repository);
        assert_eq!(parse(&format!(" {base}:1")), repository);
        assert_eq!(
            parse(base),
            Err(ImageError::NoTag {
                allowed: allowed().0
            })
        );
        assert_eq!(
            parse(&format!("{base}:1@sha256:00")),
            Err(ImageError::Digest {
                allowed: allowed().0
            })
        );
        assert_eq!(
            parse(&format!("{base}@sha256:00")),
            Err(ImageError::Digest {
                allowed: allowed().0
            })
        );
        assert_eq!(parse(&format!("{base}:latest")), Err(ImageError::Latest));
        for tag in [
            "",
            ".1",
            "-1",
            "a b",
            "a/b",
            "a:b",
            "a\n",
            "ä",
            &"a".repeat(129),
        ] {
            assert_eq!(
                parse(&format!("{base}:{tag}")),
                Err(ImageError::Tag),
                "{tag:?}"
            );
        }
    }

    #[test]
    fn latest_is_a_tag_like_any_other_in_dev() {
        let image = ImageReference::parse(
            &format!("{}:latest", allowed().0),
            &allowed(),
            Environment::Dev,
        );
        assert!(image.is_ok());
    }

    #[test]
    fn a_repository_needs_a_registry_host_and_no_tag() {
        for bad in [
            "runtime",
            "library/runtime",
            "ghcr.io/",
            "ghcr.io/A",
            "ghcr.io/a:1",
            "ghcr.io/a@b",
            "ghcr.io//a",
            "h:0/a",
            "../a",
            ".ghcr.io/a",
            "ghcr..io/a",
            "ghcr.io./a",
            "-ghcr.io/a",
        ] {
            assert_eq!(Repository::parse(bad), Err(RepositoryError), "{bad}");
        }
        assert!(Repository::parse("127.0.0.1:5000/dreichor/runtime").is_ok());
        assert!(Repository::parse("localhost/a-b__c.d").is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_the_repository_a_colon_and_a_valid_tag(text in "\\PC{0,40}") {
            for candidate in [text.clone(), format!("{}{text}", allowed().0), format!("{}:{text}", allowed().0)] {
                if let Ok(image) = parse(&candidate) {
                    prop_assert_eq!(image.as_str(), candidate.as_str());
                    prop_assert_eq!(format!("{}:{}", allowed().as_str(), image.tag().as_str()), candidate);
                    prop_assert!(image.tag().as_str().is_ascii());
                }
            }
        }

        #[test]
        fn every_tag_of_the_specification_is_taken(tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            prop_assume!(tag != "latest");
            let image = format!("{}:{tag}", allowed().0);
            prop_assert!(parse(&image).is_ok());
        }
    }
}
