//! Where signatures of a digest are looked for, and when one is found.
//!
//! | form | place |
//! |---|---|
//! | bundle | the referrers API; the tag `sha256-<hex>`, where a registry has no such API or had none when it was signed |
//! | simple signing | the tag `sha256-<hex>.sig` |
//!
//! Nothing is chosen by `artifactType`: a fallback list may show that of an empty config. The first signature that counts
//! ends the search, whatever lies beside it, because nothing unsigned can make it count less. Lists are bounded, and one
//! that is too long is refused as a whole.

use std::collections::HashSet;

use super::attached::{Attached, Flaw, LARGEST};
use super::client::{Answer, Client};
use super::error::RegistryError;
use super::oci::{self, Descriptor};
use crate::signature::{Expected, Form, KeyId, PinnedKey, Verdict, harmless, strict_json};

/// The most things attached that are looked at; each takes two requests.
const MAX_ATTACHED: usize = 64;
/// The most pages of a list.
const MAX_PAGES: usize = 8;
/// How many reasons an answer tells.
const MAX_REASONS: usize = 3;
/// Accepts both kinds of manifest.
const EITHER_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// Looks in every place until a signature counts.
pub(super) async fn search(
    client: &mut Client,
    keys: &[PinnedKey],
    expected: &Expected<'_>,
) -> Result<Verdict, RegistryError> {
    let hex = expected.digest.strip_prefix("sha256:");
    let Some(hex) = hex.filter(|hex| oci::is_sha256(hex)) else {
        let digest = harmless(expected.digest);
        return Ok(Verdict::NotSigned(format!("{digest} is no SHA-256 digest")));
    };
    let tag = format!("sha256-{hex}");
    let mut search = Search {
        attached: Attached {
            client,
            keys,
            expected,
        },
        seen: HashSet::new(),
        reasons: Vec::new(),
        missing: false,
    };
    let form = Form::Bundle;
    let referrers = search.referrers().await?;
    if let Some(key) = search.bundles(referrers).await? {
        return Ok(Verdict::Signed { key, form });
    }
    let fallback = search.fallback(&tag).await?;
    if let Some(key) = search.bundles(fallback).await? {
        return Ok(Verdict::Signed { key, form });
    }
    if let Some(key) = search.simple(&format!("{tag}.sig")).await? {
        let form = Form::SimpleSigning;
        return Ok(Verdict::Signed { key, form });
    }
    search.nothing()
}

struct Search<'a> {
    attached: Attached<'a>,
    /// What was looked at already.
    seen: HashSet<String>,
    /// Why what is attached does not count.
    reasons: Vec<String>,
    /// Whether something is listed that is not there.
    missing: bool,
}

impl Search<'_> {
    fn nothing(mut self) -> Result<Verdict, RegistryError> {
        if self.missing {
            return Err(RegistryError::Missing);
        }
        let digest = self.attached.expected.digest;
        if self.reasons.is_empty() {
            let reason = format!("the registry has no signature of {digest}");
            return Ok(Verdict::NotSigned(reason));
        }
        let more = self.reasons.len().saturating_sub(MAX_REASONS);
        self.reasons.truncate(MAX_REASONS);
        let mut reason = format!(
            "nothing that is attached to {digest} counts: {}",
            self.reasons.join("; ")
        );
        if more > 0 {
            reason += &format!("; and {more} more");
        }
        Ok(Verdict::NotSigned(reason))
    }

    /// What the referrers API lists; nothing where a registry has none.
    async fn referrers(&mut self) -> Result<Vec<Descriptor>, RegistryError> {
        let what = "the list of referrers";
        let mut listed = Vec::new();
        let mut rest = format!("referrers/{}", self.attached.expected.digest);
        for page in 0..MAX_PAGES {
            let answer = self
                .attached
                .client
                .get(what, &rest, oci::INDEX, LARGEST)
                .await;
            let Some(answer) = self.unless_too_large(answer)? else {
                return Ok(Vec::new());
            };
            match answer.status {
                200 if answer.content_type == oci::INDEX => {}
                // As registries without this API answer: the fallback tag decides.
                200 | 400 | 404 | 405 | 406 if page == 0 => return Ok(listed),
                status => return Err(RegistryError::Status { what, status }),
            }
            let Ok(index) = strict_json::<oci::Index>(what, &answer.body) else {
                return Err(RegistryError::Broken("its list of referrers"));
            };
            listed.extend(index.manifests);
            match answer.next {
                Some(next) if listed.len() <= MAX_ATTACHED => rest = next,
                _ => return Ok(listed),
            }
        }
        self.reasons.push(format!(
            "the list of referrers has more than {MAX_PAGES} pages, and the others are not looked at"
        ));
        Ok(listed)
    }

    /// What the fallback tag lists, the newest first.
    async fn fallback(&mut self, tag: &str) -> Result<Vec<Descriptor>, RegistryError> {
        let what = "the list of signatures";
        let Some(answer) = self.tagged(what, tag, oci::INDEX).await? else {
            return Ok(Vec::new());
        };
        if answer.content_type != oci::INDEX {
            let found = harmless(&answer.content_type);
            self.reasons
                .push(format!("under {tag} is no list of signatures but {found}"));
            return Ok(Vec::new());
        }
        match strict_json::<oci::Index>("list", &answer.body) {
            Ok(index) => Ok(index.manifests.into_iter().rev().collect()),
            Err(refusal) => {
                self.reasons.push(format!("of the tag {tag}: {refusal}"));
                Ok(Vec::new())
            }
        }
    }

    /// A manifest under a tag, if there is one.
    async fn tagged(
        &mut self,
        what: &'static str,
        tag: &str,
        accept: &'static str,
    ) -> Result<Option<Answer>, RegistryError> {
        let rest = format!("manifests/{tag}");
        let answer = self.attached.client.get(what, &rest, accept, LARGEST).await;
        let Some(answer) = self.unless_too_large(answer)? else {
            return Ok(None);
        };
        match answer.status {
            200 => {}
            404 if !oci::names_no_repository(&answer.body) => return Ok(None),
            status => return Err(RegistryError::Status { what, status }),
        }
        let named = answer.digest.as_deref();
        let named = named.filter(|digest| digest.starts_with("sha256:"));
        if named.is_some_and(|named| named != oci::digest(&answer.body)) {
            return Err(RegistryError::OtherBytes(what));
        }
        Ok(Some(answer))
    }

    fn unless_too_large(
        &mut self,
        answer: Result<Answer, RegistryError>,
    ) -> Result<Option<Answer>, RegistryError> {
        match answer {
            Err(error @ RegistryError::TooLarge { .. }) => {
                self.reasons.push(error.to_string());
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    fn too_many(&mut self, count: usize) -> bool {
        if count > MAX_ATTACHED {
            self.reasons.push(format!(
                "more than {MAX_ATTACHED} things are attached, and so many are not looked at"
            ));
        }
        count > MAX_ATTACHED
    }

    /// The key of the first bundle that counts.
    async fn bundles(&mut self, listed: Vec<Descriptor>) -> Result<Option<KeyId>, RegistryError> {
        if self.too_many(listed.len()) {
            return Ok(None);
        }
        for attached in listed {
            if attached.media_type != oci::MANIFEST || !self.seen.insert(attached.digest.clone()) {
                continue;
            }
            match self.attached.bundle(&attached).await {
                Ok(key) => return Ok(Some(key)),
                Err(flaw) => self.note(&attached, flaw)?,
            }
        }
        Ok(None)
    }

    fn note(&mut self, attached: &Descriptor, flaw: Flaw) -> Result<(), RegistryError> {
        match flaw {
            Flaw::Registry(error) => return Err(error),
            Flaw::Missing => self.missing = true,
            Flaw::Refused(reason) => {
                let name: String = harmless(&attached.digest).chars().take(19).collect();
                self.reasons.push(format!("of {name}: {reason}"));
            }
        }
        Ok(())
    }

    /// The key of the first payload that counts.
    async fn simple(&mut self, tag: &str) -> Result<Option<KeyId>, RegistryError> {
        let what = "the signatures in the older form";
        let Some(answer) = self.tagged(what, tag, EITHER_MANIFEST).await? else {
            return Ok(None);
        };
        if ![oci::MANIFEST, oci::DOCKER_MANIFEST].contains(&answer.content_type.as_str()) {
            let found = harmless(&answer.content_type);
            self.reasons
                .push(format!("under {tag} is no manifest but {found}"));
            return Ok(None);
        }
        let layers = match strict_json::<oci::Manifest>("manifest", &answer.body) {
            Ok(manifest) => manifest.layers,
            Err(refusal) => {
                self.reasons.push(format!("of the tag {tag}: {refusal}"));
                return Ok(None);
            }
        };
        if self.too_many(layers.len()) {
            return Ok(None);
        }
        for layer in layers.iter().rev() {
            match self.attached.payload(layer).await {
                Ok(key) => return Ok(Some(key)),
                Err(flaw) => self.note(layer, flaw)?,
            }
        }
        Ok(None)
    }
}
