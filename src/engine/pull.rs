//! Pulling: under an idle deadline, and never believed without proof.

use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::container::{ImageId, Observed};
use super::error::{EngineError, EngineFault};
use super::image_config::ImageConfig;
use super::layers::{Layers, PullProgress, Told};
use super::{Engine, Platform, ask};
use crate::credentials::RegistryAuth;
use crate::domain::ImageReference;

/// A pull that expects bytes and tells nothing new for this long is given up: bollard would wait for ever.
pub const PULL_IDLE: Duration = Duration::from_secs(30);

/// Proof that the engine holds what the registry has under the tag now.
#[derive(Debug, Clone)]
pub struct PulledImage {
    /// The reference it was pulled by.
    pub reference: ImageReference,
    /// The engine's id of it.
    pub id: ImageId,
    /// Its digest in the registry.
    pub digest: String,
    /// What it was built for.
    pub platform: Platform,
    /// What it says of its container.
    pub config: ImageConfig,
}

impl PulledImage {
    /// `repository:tag@digest`: engines resolve the digest and people read the tag, so that whoever moves the tag on
    /// this host changes nothing.
    pub(super) fn by_digest(&self) -> String {
        format!("{}@{}", self.reference, self.digest)
    }
}

impl Observed {
    /// Whether it is of another image than `pulled`. The digest decides; where none is known, the image itself.
    #[must_use]
    pub fn is_another_image_than(&self, pulled: &PulledImage) -> bool {
        match &self.digest {
            Some(digest) => *digest != pulled.digest,
            None => self.image_id != pulled.id,
        }
    }
}

impl Engine {
    /// Pulls exactly `repository:tag` and proves it by inspecting the image.
    ///
    /// Dropping the future cancels the pull in the engine, and the tag stays as it was. No failure of a pull touches
    /// a container, so none is of unknown effect.
    ///
    /// # Errors
    /// The registry's or engine's refusal, a stall of [`PULL_IDLE`], or a pull whose image cannot be proven to be
    /// the one the registry named. A cached image never stands in for a failed pull.
    pub async fn pull(
        &self,
        reference: &ImageReference,
        auth: Option<RegistryAuth>,
        progress: impl FnMut(PullProgress),
    ) -> Result<PulledImage, EngineError> {
        let pulled = self.try_pull(reference, auth.clone(), progress).await;
        // A registry may hand back what it was sent.
        pulled.map_err(|error| match &auth {
            Some(auth) => error.in_words(|words| auth.blank_in(words)),
            None => error,
        })
    }

    async fn try_pull(
        &self,
        reference: &ImageReference,
        auth: Option<RegistryAuth>,
        mut progress: impl FnMut(PullProgress),
    ) -> Result<PulledImage, EngineError> {
        let options = CreateImageOptions {
            from_image: Some(reference.repository().as_str().to_owned()),
            tag: Some(reference.tag().as_str().to_owned()),
            ..CreateImageOptions::default()
        };
        let mut lines = self.client()?.create_image(
            Some(options),
            None,
            auth.map(|auth| credentials(auth, reference)),
        );
        let idle = self.inner.pull_idle.unwrap_or(PULL_IDLE);
        let mut layers = Layers::default();
        let (mut named, mut broken) = (None, None);
        let mut last_news = Instant::now();
        while let Some(line) = next_line(&mut lines, &layers, last_news, idle).await? {
            match line.map_err(EngineError::from) {
                Ok(line) => {
                    named = digest_of(&line).or(named);
                    let told = layers.take(&line);
                    if told != Told::Nothing {
                        last_news = Instant::now();
                    }
                    if told != Told::Nothing {
                        progress(layers.progress());
                    }
                }
                // The engine's own words end the matter; a broken stream may follow a good pull.
                Err(error) if error.answered() || error.is_unreachable() => {
                    return Err(error.proven_without_effect());
                }
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        match (named, broken) {
            (Some(named), _) => self.prove(reference, &named).await,
            (None, Some(error)) => Err(error.proven_without_effect()),
            (None, None) => Err(unproven("the pull ended without naming a digest")),
        }
    }

    async fn prove(
        &self,
        reference: &ImageReference,
        named: &str,
    ) -> Result<PulledImage, EngineError> {
        let image = ask(self.client()?.inspect_image(reference.as_str())).await?;
        let expected = format!("{}@{named}", reference.repository().familiar());
        let held = image.repo_digests.as_deref().unwrap_or_default();
        if !held.contains(&expected) {
            return Err(unproven(
                "the image under the tag is not the one the registry named",
            ));
        }
        pulled(reference, named, image)
    }
}

fn pulled(
    reference: &ImageReference,
    digest: &str,
    image: ImageInspect,
) -> Result<PulledImage, EngineError> {
    match (image.id, image.os, image.architecture) {
        (Some(id), Some(os), Some(architecture)) => Ok(PulledImage {
            reference: reference.clone(),
            id: ImageId(id),
            digest: digest.to_owned(),
            platform: Platform { os, architecture },
            config: image.config.map(ImageConfig::of).unwrap_or_default(),
        }),
        _ => Err(unproven("the Docker engine does not say what it pulled")),
    }
}

fn unproven(message: &str) -> EngineError {
    EngineError::without_effect(EngineFault::Unproven(message.to_owned()))
}

/// The next line. Only while bytes are expected does a pull without news become a stall.
async fn next_line<T>(
    lines: &mut (impl futures_util::Stream<Item = T> + Unpin),
    layers: &Layers,
    last_news: Instant,
    idle: Duration,
) -> Result<Option<T>, EngineError> {
    if !layers.expect_bytes() {
        return Ok(lines.next().await);
    }
    let next = tokio::time::timeout_at(last_news + idle, lines.next()).await;
    next.map_err(|_| EngineError::without_effect(EngineFault::Stalled(idle)))
}

/// The digest line comes when all layers are in; a pull that failed has none.
fn digest_of(line: &CreateImageInfo) -> Option<String> {
    let digest = line.status.as_deref()?.strip_prefix("Digest: ")?.trim();
    digest.starts_with("sha256:").then(|| digest.to_owned())
}

fn credentials(auth: RegistryAuth, reference: &ImageReference) -> DockerCredentials {
    let server = DockerCredentials {
        serveraddress: Some(reference.repository().host().to_owned()),
        ..DockerCredentials::default()
    };
    match auth {
        RegistryAuth::Basic { username, password } => DockerCredentials {
            username: Some(username),
            password: Some(password),
            ..server
        },
        RegistryAuth::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token),
            ..server
        },
        RegistryAuth::RegistryToken(token) => DockerCredentials {
            registrytoken: Some(token),
            ..server
        },
    }
}
