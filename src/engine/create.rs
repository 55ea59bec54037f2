//! Creating and starting the new container.

use std::time::Duration;

use bollard::query_parameters::CreateContainerOptions;

use super::container::{ContainerId, ContainerStatus, Observed};
use super::container_spec::ContainerSpec;
use super::error::{Effect, EngineError, EngineFault};
use super::lifecycle::{CreatedContainer, StartedContainer, Vacancy};
use super::pull::PulledImage;
use super::{Engine, OPERATION_LABEL, call};

impl Engine {
    /// Creates the container under our name, of exactly the pulled image; the vacancy is used up.
    ///
    /// # Errors
    /// The image is gone from the host, the engine refused (somebody else took the name, say), or its answer was lost and
    /// an inspect shows no container of this operation.
    pub async fn create(
        &self,
        _vacancy: Vacancy,
        image: &PulledImage,
        spec: ContainerSpec,
        deadline: Duration,
    ) -> Result<CreatedContainer, EngineError> {
        let operation = spec.labels.get(OPERATION_LABEL).cloned();
        let options = CreateContainerOptions {
            name: Some(self.inner.name.as_str().to_owned()),
            ..CreateContainerOptions::default()
        };
        let body = spec.create_body(image);
        let error = match call(
            deadline,
            self.client()?.create_container(Some(options), body),
        )
        .await
        {
            Ok(created) => match ContainerId::full(Some(created.id)) {
                Ok(id) => return Ok(CreatedContainer { id }),
                Err(error) => error,
            },
            Err(error) if error.says_no_image() => return Err(vanished()),
            Err(error) if error.effect == Effect::None => return Err(error),
            Err(error) => error,
        };
        match self.inspect_name().await {
            Ok(Some(observed)) if observed.operation == operation => {
                Ok(CreatedContainer { id: observed.id })
            }
            Ok(_) if error.answered() => Err(error.proven_without_effect()),
            // Absent now does not mean absent for good: the engine may be at it still.
            Ok(_) | Err(_) => Err(error),
        }
    }

    /// Starts what was created. "Already running" is a start.
    ///
    /// # Errors
    /// The engine could not start it (the container stays, created), or its answer was lost and it does not show as
    /// started.
    pub async fn start(
        &self,
        created: CreatedContainer,
        deadline: Duration,
    ) -> Result<StartedContainer, EngineError> {
        let CreatedContainer { id } = created;
        let error = match call(deadline, self.client()?.start_container(id.as_str(), None)).await {
            Ok(()) => return Ok(StartedContainer { id }),
            Err(error) if error.effect == Effect::None => return Err(error),
            Err(error) => error,
        };
        let started = |observed: Option<&Observed>| {
            observed.is_some_and(|observed| {
                observed.status != ContainerStatus::Created && observed.started_at.is_some()
            })
        };
        self.decide(error, &id, started)
            .await
            .map(|()| StartedContainer { id })
    }
}

fn vanished() -> EngineError {
    let message = "the pulled image is no longer on this host: somebody removed it after the pull";
    EngineError::without_effect(EngineFault::Unproven(message.to_owned()))
}
