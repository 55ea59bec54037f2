//! Stopping and removing: acts on a full id, never on a name, and never by force.

use std::time::Duration;

use bollard::query_parameters::{RemoveContainerOptions, StopContainerOptions};

use super::container::{ContainerId, Observed};
use super::container_spec::STOP_SIGNAL;
use super::error::EngineError;
use super::lifecycle::Vacancy;
use super::{Engine, call};
use crate::settings::STOP_SLACK;

/// How often a container in removal is inspected; it mostly takes milliseconds.
const REMOVAL_POLL: Duration = Duration::from_millis(50);

impl Engine {
    /// SIGTERM, `grace`, SIGKILL. A container that does not run, or no longer exists, is stopped.
    ///
    /// Not cancel-safe: engines of version 23 cut the grace short when the caller leaves.
    ///
    /// # Errors
    /// The engine refused, or its answer was lost and the container may still run.
    pub async fn stop(
        &self,
        id: &ContainerId,
        grace: Duration,
        deadline: Duration,
    ) -> Result<(), EngineError> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptions {
            t: Some(seconds),
            // Engines of version 23 and newer heed it, for a container that somebody else made too.
            signal: Some(STOP_SIGNAL.to_owned()),
        };
        let deadline = deadline.min(grace + STOP_SLACK);
        let error = match call(
            deadline,
            self.client()?.stop_container(id.as_str(), Some(options)),
        )
        .await
        {
            Ok(()) => return Ok(()),
            Err(error) if error.says_absent() => return Ok(()),
            Err(error) => error,
        };
        let stopped =
            |observed: Option<&Observed>| observed.is_none_or(|observed| !observed.may_run());
        self.decide(error, id, stopped).await.map(|_| ())
    }

    /// Removes the container and its anonymous volumes, never by force, and waits for the name to be free.
    ///
    /// # Errors
    /// The engine refused (a running container is not removed), or the container is still there at the deadline.
    pub async fn remove(
        &self,
        id: &ContainerId,
        deadline: Duration,
    ) -> Result<Vacancy, EngineError> {
        let options = RemoveContainerOptions {
            v: true,
            force: false,
            link: false,
        };
        let error = match call(
            deadline,
            self.client()?.remove_container(id.as_str(), Some(options)),
        )
        .await
        {
            Ok(()) => return Ok(Vacancy(())),
            Err(error) if error.says_absent() => return Ok(Vacancy(())),
            Err(error)
                if error.is_status(409) && error.to_string().contains("already in progress") =>
            {
                return self.await_gone(id, deadline, error).await;
            }
            Err(error) => error,
        };
        self.decide(error, id, |observed| observed.is_none())
            .await
            .map(|_| Vacancy(()))
    }

    async fn await_gone(
        &self,
        id: &ContainerId,
        deadline: Duration,
        error: EngineError,
    ) -> Result<Vacancy, EngineError> {
        let gone = async {
            while self.inspect(id).await?.is_some() {
                tokio::time::sleep(REMOVAL_POLL).await;
            }
            Ok(Vacancy(()))
        };
        tokio::time::timeout(deadline, gone)
            .await
            .unwrap_or(Err(error))
    }
}
