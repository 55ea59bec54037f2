//! One thing that is attached to an image: fetched, hashed, and judged.

use super::client::Client;
use super::error::RegistryError;
use super::oci::{self, Descriptor};
use crate::signature::{
    BUNDLE, Expected, KeyId, PinnedKey, Refusal, SIMPLE_SIGNING, check_bundle, check_simple,
    harmless, strict_json,
};

/// The most of a list, a manifest, a bundle or a payload: a bundle has about a KiB, with log entries some ten.
pub(super) const LARGEST: usize = 256 * 1024;
/// Where cosign 2 keeps the signature of a payload, and the certificate of a signature without a key.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";

/// Blob stores know no types.
const ANY: &str = "*/*";

/// What judges it.
pub(super) struct Attached<'a> {
    pub(super) client: &'a mut Client,
    pub(super) keys: &'a [PinnedKey],
    pub(super) expected: &'a Expected<'a>,
}

/// Why one thing that is attached does not count, or that nobody can tell.
pub(super) enum Flaw {
    /// The registry failed.
    Registry(RegistryError),
    /// It is listed and not there.
    Missing,
    /// Why it does not count.
    Refused(String),
}

impl From<RegistryError> for Flaw {
    fn from(error: RegistryError) -> Self {
        match error {
            // Whoever may write to the registry chooses the size of it.
            RegistryError::TooLarge { .. } => Self::Refused(format!("it is refused: {error}")),
            other => Self::Registry(other),
        }
    }
}

impl From<Refusal> for Flaw {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.to_string())
    }
}

impl Attached<'_> {
    /// The key of the bundle that a manifest holds, if it counts.
    pub(super) async fn bundle(&mut self, attached: &Descriptor) -> Result<KeyId, Flaw> {
        let what = "an attached manifest";
        let body = self
            .fetch(what, "manifests", oci::MANIFEST, attached)
            .await?;
        let manifest: oci::Manifest = strict_json("manifest", &body)?;
        let [layer] = manifest.layers.as_slice() else {
            let count = manifest.layers.len();
            let reason = format!("it is no signature: it has {count} layers, not one");
            return Err(Flaw::Refused(reason));
        };
        if layer.media_type != BUNDLE {
            let found = harmless(&layer.media_type);
            return Err(Flaw::Refused(format!("it is no signature but {found}")));
        }
        let bundle = self.fetch("a bundle", "blobs", ANY, layer).await?;
        Ok(check_bundle(&bundle, self.keys, self.expected)?)
    }

    /// The key of the payload that a layer is, if it counts.
    pub(super) async fn payload(&mut self, layer: &Descriptor) -> Result<KeyId, Flaw> {
        if layer.media_type != SIMPLE_SIGNING {
            let found = harmless(&layer.media_type);
            return Err(Flaw::Refused(format!("it is no signature but {found}")));
        }
        let annotation = |name| layer.annotations.as_ref().and_then(|all| all.get(name));
        let Some(signature) = annotation(SIGNATURE) else {
            return Err(Refusal::Signatures(0).into());
        };
        let payload = self.fetch("a payload", "blobs", ANY, layer).await?;
        match check_simple(&payload, signature, self.keys, self.expected) {
            Err(Refusal::OtherKey) if annotation(CERTIFICATE).is_some() => {
                Err(Refusal::OwnKey.into())
            }
            other => Ok(other?),
        }
    }

    /// The bytes that a descriptor names, and no others.
    async fn fetch(
        &mut self,
        what: &'static str,
        place: &str,
        accept: &'static str,
        named: &Descriptor,
    ) -> Result<Vec<u8>, Flaw> {
        if !named.has_digest() {
            let reason = "its digest is not of SHA-256".to_owned();
            return Err(Flaw::Refused(reason));
        }
        let size = usize::try_from(named.size).unwrap_or(usize::MAX);
        if size > LARGEST {
            let limit = LARGEST;
            return Err(RegistryError::TooLarge { what, limit }.into());
        }
        let rest = format!("{place}/{}", named.digest);
        let answer = self.client.get(what, &rest, accept, LARGEST).await?;
        match answer.status {
            200 => {}
            404 => return Err(Flaw::Missing),
            status => return Err(RegistryError::Status { what, status }.into()),
        }
        if answer.body.len() != size || oci::digest(&answer.body) != named.digest {
            return Err(RegistryError::OtherBytes(what).into());
        }
        Ok(answer.body)
    }
}
