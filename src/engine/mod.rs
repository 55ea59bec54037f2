//! The Docker Engine: the only part that knows bollard.
//!
//! Verbs converge ("already so" is success), inspect once when an answer was lost, and hand out proofs: a
//! [`PulledImage`] for a pull that is proven, a [`Vacancy`] for a name that is free, a [`CreatedContainer`] for
//! the start. Every verb has a deadline of its own, because bollard's covers response headers only.

mod about;
mod connect;
mod container;
mod container_spec;
mod create;
mod error;
mod events;
mod image_config;
mod image_events;
mod images;
mod info;
mod layers;
mod lifecycle;
mod network;
mod observe;
mod predecessor;
mod pull;
mod stop;
mod tls;
mod version;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::Docker;

use crate::domain::ContainerName;
use crate::settings::EngineSettings;
use crate::way_out;

pub use about::EngineAbout;
pub use container::{ContainerId, ContainerStatus, Health, ImageId, Observed};
pub use container_spec::{ContainerLog, ContainerSpec};
pub use error::{Effect, EngineError, EngineFault};
pub use events::{ContainerEvent, EventAction};
pub use image_config::{HealthCheck, ImageConfig, ImageOrigin};
pub use image_events::PullEvent;
pub use images::{Removed, StoredImage};
pub use info::EngineInfo;
pub use layers::PullProgress;
pub use lifecycle::{CreatedContainer, Holder, StartedContainer, Vacancy};
pub use pull::{PULL_IDLE, PulledImage};

/// The longest wait for an inspect: a frozen engine or a held socket must not hold the agent.
pub const INSPECT_DEADLINE: Duration = Duration::from_secs(5);
/// The longest wait for the removal of an image, whose layers are deleted meanwhile: an operation may wait behind it.
const IMAGE_REMOVAL_DEADLINE: Duration = Duration::from_secs(30);
/// The label that says which operation made a container.
pub const OPERATION_LABEL: &str = "dreichor.deploy-agent.operation";
/// The label in which builders name the revision of an image's source (OCI image specification).
const REVISION_LABEL: &str = "org.opencontainers.image.revision";

/// A handle to the engine of this host. Cheap to clone; connects when first used.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    settings: EngineSettings,
    name: ContainerName,
    /// None means [`PULL_IDLE`].
    pull_idle: Option<Duration>,
    client: OnceLock<Docker>,
}

/// What the engine runs on, in the words of image configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// e.g. `linux`.
    pub os: String,
    /// e.g. `amd64`.
    pub architecture: String,
}

impl Engine {
    /// A handle that acts on the container of this name only.
    #[must_use]
    pub fn new(settings: EngineSettings, name: ContainerName) -> Self {
        Self::with(settings, name, None)
    }

    /// The same with another time that a pull may stall, for tests that cannot wait for [`PULL_IDLE`].
    #[must_use]
    pub fn with_pull_idle(
        settings: EngineSettings,
        name: ContainerName,
        pull_idle: Duration,
    ) -> Self {
        Self::with(settings, name, Some(pull_idle))
    }

    fn with(settings: EngineSettings, name: ContainerName, pull_idle: Option<Duration>) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                name,
                pull_idle,
                client: OnceLock::new(),
            }),
        }
    }

    /// Whether its files are on this host, as far as its address tells.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.inner.settings.is_local()
    }

    /// What to say behind a failure of a question, where no word came back from an engine on another host.
    #[must_use]
    pub fn hint(&self, error: &EngineError) -> &'static str {
        let authority = self.inner.settings.authority();
        match authority.filter(|_| error.is_silence()) {
            Some(authority) => way_out::hint(authority),
            None => "",
        }
    }

    fn client(&self) -> Result<&Docker, EngineError> {
        if let Some(client) = self.inner.client.get() {
            return Ok(client);
        }
        // Built when first needed: building fails while the socket file is missing.
        let client = connect::connect(&self.inner.settings)?;
        Ok(self.inner.client.get_or_init(|| client))
    }
}

/// One call under its own deadline. Dropping the future cuts the connection; the engine may go on.
async fn call<T>(
    deadline: Duration,
    request: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(deadline, request).await {
        Ok(answer) => answer.map_err(EngineError::from),
        Err(_) => Err(EngineError::deadline(deadline)),
    }
}

/// A question: nothing becomes of it but its answer, so that a lost one has had no effect.
async fn ask<T>(
    question: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(INSPECT_DEADLINE, question).await {
        Ok(answer) => answer.map_err(EngineError::of_a_question),
        Err(_) => Err(EngineError::deadline(INSPECT_DEADLINE).proven_without_effect()),
    }
}
