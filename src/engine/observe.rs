//! Asking about the container: by the exact name, or by a full id.

use std::collections::HashMap;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum, HostConfig,
    RestartPolicyNameEnum,
};
use bollard::query_parameters::ListContainersOptions;

use super::container::{ContainerId, ContainerStatus, Health, ImageId, Observed, not_understood};
use super::error::{EngineError, EngineFault};
use super::{Engine, OPERATION_LABEL, REVISION_LABEL, ask};

/// How the engine writes "never".
const NEVER: &str = "0001-01-01T00:00:00Z";
/// How often a container that is listed and denied is asked for: it may have come or gone between the two questions.
const DENIALS: usize = 2;

impl Engine {
    /// Inspects the container that holds exactly our name.
    ///
    /// # Errors
    /// Any failure but "no such container"; an answer that cannot be read is never taken for absence, nor is a container
    /// that the engine denies and lists all the same.
    pub async fn inspect_name(&self) -> Result<Option<Observed>, EngineError> {
        self.inspect_name_raw().await?.map(observed).transpose()
    }

    /// The same, in the engine's words.
    pub(super) async fn inspect_name_raw(
        &self,
    ) -> Result<Option<ContainerInspectResponse>, EngineError> {
        for _ in 0..DENIALS {
            let found = self.inspect_exactly(self.inner.name.as_str()).await?;
            // A known fault of engines: a container whose inspect is a 404 and that runs. Only the list shows it.
            if found.is_some() || !self.lists_name().await? {
                return Ok(found);
            }
        }
        Err(EngineError::without_effect(EngineFault::Unproven(
            "the Docker engine lists a container of this name and denies it when it is inspected; a restart of the engine shows what is true"
                .to_owned(),
        )))
    }

    async fn inspect_exactly(
        &self,
        name: &str,
    ) -> Result<Option<ContainerInspectResponse>, EngineError> {
        let Some(found) = self.inspect_raw(name).await? else {
            return Ok(None);
        };
        // The engine also finds containers by id prefix; only the exact name is ours. No name at all is no answer.
        let held = found.name.as_deref().ok_or_else(not_understood)?;
        Ok((held.trim_start_matches('/') == name).then_some(found))
    }

    /// Whether a container of exactly our name is in the engine's list.
    async fn lists_name(&self) -> Result<bool, EngineError> {
        let name = format!("/{}", self.inner.name.as_str());
        let filters = HashMap::from([("name".to_owned(), vec![format!("^{name}$")])]);
        let options = ListContainersOptions {
            all: true,
            filters: Some(filters),
            ..ListContainersOptions::default()
        };
        for listed in ask(self.client()?.list_containers(Some(options))).await? {
            // The filter is a pattern, in which a dot stands for any character.
            if listed.names.ok_or_else(not_understood)?.contains(&name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Inspects one container by its full id.
    ///
    /// # Errors
    /// As [`Engine::inspect_name`].
    pub async fn inspect(&self, id: &ContainerId) -> Result<Option<Observed>, EngineError> {
        self.inspect_raw(id.as_str())
            .await?
            .map(observed)
            .transpose()
    }

    /// The name that a container has now; none if it is gone.
    ///
    /// # Errors
    /// As [`Engine::inspect_name`].
    pub async fn name_of(&self, id: &ContainerId) -> Result<Option<String>, EngineError> {
        let Some(found) = self.inspect_raw(id.as_str()).await? else {
            return Ok(None);
        };
        let name = found.name.ok_or_else(not_understood)?;
        Ok(Some(name.trim_start_matches('/').to_owned()))
    }

    async fn inspect_raw(
        &self,
        key: &str,
    ) -> Result<Option<ContainerInspectResponse>, EngineError> {
        match ask(self.client()?.inspect_container(key, None)).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.says_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn observed(found: ContainerInspectResponse) -> Result<Observed, EngineError> {
    let state = found.state.ok_or_else(not_understood)?;
    let config = found.config.ok_or_else(not_understood)?;
    let mut labels = config.labels.unwrap_or_default();
    let operation = labels.remove(OPERATION_LABEL);
    let health = state
        .health
        .and_then(|health| health.status)
        .and_then(|status| match status {
            HealthStatusEnum::STARTING => Some(Health::Starting),
            HealthStatusEnum::HEALTHY => Some(Health::Healthy),
            HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
            HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
        });
    let host = found.host_config.unwrap_or_default();
    let (image, digest) = asked(
        config.image.ok_or_else(not_understood)?,
        operation.is_some(),
    );
    Ok(Observed {
        id: ContainerId::full(found.id)?,
        image,
        digest,
        image_id: ImageId(found.image.ok_or_else(not_understood)?),
        status: status(state.status)?,
        started_at: state.started_at.filter(|at| !at.is_empty() && at != NEVER),
        finished_at: state.finished_at.filter(|at| !at.is_empty() && at != NEVER),
        exit_code: state.exit_code.unwrap_or(0),
        oom_killed: state.oom_killed.unwrap_or(false),
        restart_count: found.restart_count.unwrap_or(0),
        returns_by_itself: returns_by_itself(&host),
        settings: settings(&host),
        health,
        operation,
        revision: labels.remove(REVISION_LABEL),
    })
}

fn returns_by_itself(host: &HostConfig) -> bool {
    let policy = host.restart_policy.as_ref().and_then(|policy| policy.name);
    policy.is_some_and(|name| {
        !matches!(
            name,
            RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO
        )
    })
}

/// Whatever `docker update` changes.
fn settings(host: &HostConfig) -> String {
    let policy = host.restart_policy.as_ref();
    format!(
        "{:?}",
        (
            policy.map(|policy| (policy.name, policy.maximum_retry_count)),
            (host.memory, host.memory_swap, host.memory_reservation),
            (
                host.nano_cpus,
                host.cpu_shares,
                host.cpu_period,
                host.cpu_quota
            ),
            (host.cpu_realtime_period, host.cpu_realtime_runtime),
            (&host.cpuset_cpus, &host.cpuset_mems),
            (host.pids_limit, host.blkio_weight),
        )
    )
}

/// This agent creates by tag and digest and is asked for tags; what others asked for is shown as it is.
fn asked(image: String, ours: bool) -> (String, Option<String>) {
    match image.split_once('@') {
        Some((asked, digest)) if ours => (asked.to_owned(), Some(digest.to_owned())),
        _ => (image, None),
    }
}

fn status(status: Option<ContainerStateStatusEnum>) -> Result<ContainerStatus, EngineError> {
    match status {
        Some(ContainerStateStatusEnum::CREATED) => Ok(ContainerStatus::Created),
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => {
            Ok(ContainerStatus::Running)
        }
        Some(ContainerStateStatusEnum::PAUSED) => Ok(ContainerStatus::Paused),
        Some(ContainerStateStatusEnum::RESTARTING) => Ok(ContainerStatus::Restarting),
        Some(ContainerStateStatusEnum::REMOVING) => Ok(ContainerStatus::Removing),
        Some(ContainerStateStatusEnum::EXITED) => Ok(ContainerStatus::Exited),
        Some(ContainerStateStatusEnum::DEAD) => Ok(ContainerStatus::Dead),
        Some(ContainerStateStatusEnum::EMPTY) | None => Err(not_understood()),
    }
}
