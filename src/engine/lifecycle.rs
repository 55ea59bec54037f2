//! The verbs that change the container. Each converges, and looks once when its answer was lost.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HostConfig, Mount, MountType, RestartPolicy as EnginePolicy,
    RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptions, RemoveContainerOptions, StopContainerOptions,
};

use super::error::EngineError;
use super::observe::{ContainerId, ContainerStatus, Observed};
use super::pull::PulledImage;
use super::{Engine, INSPECT_DEADLINE, OPERATION_LABEL, call};
use crate::settings::{RestartPolicy, STOP_SLACK};

/// How often a removal in progress is looked at; it mostly takes milliseconds.
const REMOVAL_POLL: Duration = Duration::from_millis(50);
/// Where the runtime finds its audit events.
pub(super) const AUDIT_EVENTS_TARGET: &str = "/var/lib/dreichor/audit-events";
/// Where the runtime finds its snapshots.
pub(super) const SNAPSHOTS_TARGET: &str = "/var/lib/dreichor/snapshots";

/// Proof that nothing held the name a moment ago.
#[derive(Debug)]
pub struct Vacancy(());

/// Who holds the runtime's name.
#[derive(Debug)]
pub enum Holder {
    /// Nobody: a container can be created under it.
    Nobody(Vacancy),
    /// This container.
    Container(Observed),
}

/// A container that was created by this operation and not started yet.
#[derive(Debug)]
pub struct CreatedContainer {
    /// Its id.
    pub id: ContainerId,
}

/// A container whose start the engine has answered or shown.
#[derive(Debug, Clone)]
pub struct StartedContainer {
    /// Its id.
    pub id: ContainerId,
}

/// What a new container is made of, all of it owned by the server.
#[derive(Clone)]
pub struct ContainerSpec {
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// Bound to `/var/lib/dreichor/audit-events`.
    pub audit_events: PathBuf,
    /// Bound to `/var/lib/dreichor/snapshots`.
    pub snapshots: PathBuf,
    /// Docker network mode.
    pub network: String,
    /// Docker restart policy.
    pub restart_policy: RestartPolicy,
    /// Whether Docker's init runs as PID 1.
    pub init: bool,
    /// Says who made it.
    pub labels: HashMap<String, String>,
}

impl ContainerSpec {
    /// What the server decides about the container, by name; the environment of the runtime is not among it.
    #[must_use]
    pub fn settings(&self) -> [(&'static str, String); 5] {
        // To the last field, so that a new one which the fingerprint leaves out does not compile. The variables have a
        // fingerprint of their own, and labels only say who made it.
        let Self {
            environment: _,
            audit_events,
            snapshots,
            network,
            restart_policy,
            init,
            labels: _,
        } = self;
        [
            ("AUDIT_EVENTS_PATH", audit_events.display().to_string()),
            ("SNAPSHOTS_PATH", snapshots.display().to_string()),
            ("RUNTIME_NETWORK", network.clone()),
            ("RUNTIME_RESTART_POLICY", restart_policy.as_str().to_owned()),
            ("RUNTIME_INIT", init.to_string()),
        ]
    }
}

impl Engine {
    /// What holds the name.
    ///
    /// # Errors
    /// As [`Engine::inspect_name`].
    pub async fn holder(&self) -> Result<Holder, EngineError> {
        Ok(match self.inspect_name().await? {
            Some(observed) => Holder::Container(observed),
            None => Holder::Nobody(Vacancy(())),
        })
    }

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
            signal: None,
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
        let stopped = |shown: Option<&Observed>| shown.is_none_or(|shown| !shown.may_run());
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
        self.decide(error, id, |shown| shown.is_none())
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

    /// Creates the container under our name; the vacancy is used up.
    ///
    /// # Errors
    /// The engine refused (somebody else took the name, say), or its answer was lost and no container of this
    /// operation shows.
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
        let body = create_body(image, spec);
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
            Err(error) if error.effect == super::Effect::None => return Err(error),
            Err(error) => error,
        };
        match self.inspect_name().await {
            Ok(Some(shown)) if shown.operation == operation => {
                Ok(CreatedContainer { id: shown.id })
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
            Err(error) if error.effect == super::Effect::None => return Err(error),
            Err(error) => error,
        };
        let started = |shown: Option<&Observed>| {
            shown.is_some_and(|shown| {
                shown.status != ContainerStatus::Created && shown.started_at.is_some()
            })
        };
        self.decide(error, &id, started)
            .await
            .map(|()| StartedContainer { id })
    }

    /// One bounded look after a failed call: `Ok` if it shows what the call was to bring about.
    async fn decide(
        &self,
        error: EngineError,
        id: &ContainerId,
        reached: impl Fn(Option<&Observed>) -> bool,
    ) -> Result<(), EngineError> {
        if error.effect == super::Effect::None && !error.is_status(409) {
            return Err(error);
        }
        let shown = tokio::time::timeout(INSPECT_DEADLINE, self.inspect(id)).await;
        match shown {
            Ok(Ok(shown)) if reached(shown.as_ref()) => Ok(()),
            Ok(Ok(_)) if error.answered() => Err(error.proven_without_effect()),
            // Not yet does not mean never: a call that was cut may still go on in the engine.
            _ => Err(error),
        }
    }
}

fn create_body(image: &PulledImage, spec: ContainerSpec) -> ContainerCreateBody {
    // `Mounts` and not `Binds`: the engine would make a missing `Binds` source as an empty directory of root.
    let bind = |source: PathBuf, target: &str| Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_string_lossy().into_owned()),
        target: Some(target.to_owned()),
        read_only: Some(false),
        ..Mount::default()
    };
    let ContainerSpec {
        environment,
        audit_events,
        snapshots,
        network,
        restart_policy,
        init,
        labels,
    } = spec;
    ContainerCreateBody {
        image: Some(image.reference.as_str().to_owned()),
        env: Some(environment),
        labels: Some(labels),
        host_config: Some(HostConfig {
            mounts: Some(vec![
                bind(audit_events, AUDIT_EVENTS_TARGET),
                bind(snapshots, SNAPSHOTS_TARGET),
            ]),
            network_mode: Some(network),
            restart_policy: Some(EnginePolicy {
                name: Some(policy(restart_policy)),
                maximum_retry_count: None,
            }),
            init: Some(init),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn policy(policy: RestartPolicy) -> RestartPolicyNameEnum {
    match policy {
        RestartPolicy::No => RestartPolicyNameEnum::NO,
        RestartPolicy::Always => RestartPolicyNameEnum::ALWAYS,
        RestartPolicy::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
        RestartPolicy::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
    }
}
