//! The straight line of a deploy: preflight, pull, verify, stop, remove, create, start, confirm.

use std::collections::HashMap;
use std::time::Duration;

use super::confirm::confirm;
use super::failure::{Failure, FailureKind, StepError};
use super::preflight::{Prepared, preflight, verify};
use super::run::{ProgressReport, Run};
use super::stop::clear;
use super::{Context, Done, Step};
use crate::credentials::RegistryCredentials;
use crate::domain::ImageReference;
use crate::engine::{ContainerSpec, OPERATION_LABEL, PulledImage};

/// The most that creating a container may take.
const CREATE_LIMIT: Duration = Duration::from_secs(10);
/// The most that starting one may take.
const START_LIMIT: Duration = Duration::from_secs(15);
/// The most that reading credentials may take, helpers included.
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(5);

/// Replaces the container, or starts the first one. Nothing before `stop` changes the running container.
pub(super) async fn deploy(run: &mut Run<'_>, image: &ImageReference) -> Result<Done, Failure> {
    let context = run.context;
    let prepared = run.step(Step::Preflight, preflight(context)).await?;
    let spec = container_spec(run, &prepared);
    run.facts.prepared(context, prepared.environment, &spec);
    let pulled = run.step(Step::Pull, pull(run, image)).await?;
    run.facts.pulled(&pulled);
    let old = run
        .step(
            Step::Verify,
            verify(context, &pulled, &prepared.engine.platform),
        )
        .await?;

    let window = context.rules.start_confirmation;
    let mut events = context.watcher.subscribe();
    let vacancy = clear(run, old, window).await?;
    run.touch();
    let limit = run.left_but(window).min(CREATE_LIMIT);
    let created = run
        .step(Step::Create, async {
            Ok(context.engine.create(vacancy, &pulled, spec, limit).await?)
        })
        .await?;
    run.facts.created(&created.id);
    let limit = run.left_but(window).min(START_LIMIT);
    let started = run
        .step(Step::Start, async {
            Ok(context.engine.start(created, limit).await?)
        })
        .await?;
    run.facts.started();

    // Beside the window: it ran, whatever becomes of it.
    let entered = context.trail.append(run.tag_ran(&pulled));
    let confirmed = run
        .attempt(
            Step::Confirm,
            confirm(context, &started.id, &pulled, &mut events),
        )
        .await;
    match confirmed {
        Ok(state) => match entered.await {
            Ok(_) => {
                run.facts.state = Some(state);
                Ok(Done::Deployed {
                    image: image.clone(),
                })
            }
            // An immutable tag that nobody remembers is none.
            Err(error) => Err(run.failed(Step::Confirm, &StepError::Trail(error)).await),
        },
        Err(error) => {
            if error.kind(Step::Confirm) == FailureKind::NotStarted {
                halt(run, &started.id).await;
            }
            Err(run.failed(Step::Confirm, &error).await)
        }
    }
}

/// Stops a container that failed its confirmation, so that no restart policy loops it. It stays for `docker logs`.
async fn halt(run: &Run<'_>, id: &crate::engine::ContainerId) {
    let (engine, grace, limit) = (
        &run.context.engine,
        run.context.rules.stop_grace,
        run.left_but(Duration::ZERO),
    );
    let halted = run
        .attempt(Step::Halt, async {
            Ok(engine.stop(id, grace, limit.max(grace)).await?)
        })
        .await;
    if let Err(error) = halted {
        // The failure of the confirmation is what the caller hears; the state in it tells the rest.
        log::error!(
            "operation={} the failed container could not be stopped: {error}",
            run.ticket.id
        );
    }
}

/// Pulls within what the budget leaves; given up in time, with the old container untouched.
fn pull<'a>(
    run: &Run<'a>,
    image: &'a ImageReference,
) -> impl Future<Output = Result<PulledImage, StepError>> + use<'a> {
    let context = run.context;
    let limit = run
        .left()
        .saturating_sub(context.rules.reserve_after_pull());
    let mut report = ProgressReport::new(run);
    async move {
        let host = image.repository().host();
        let auth =
            RegistryCredentials::load(context.docker_config.as_deref(), host, CREDENTIALS_LIMIT)
                .await;
        let auth = auth.map_err(|error| StepError::Host(error.to_string()))?;
        let pulling = context
            .engine
            .pull(image, auth, |progress| report.take(progress));
        match tokio::time::timeout(limit, pulling).await {
            Ok(pulled) => Ok(pulled?),
            Err(_) => Err(StepError::OutOfTime(limit.as_secs())),
        }
    }
}

fn container_spec(run: &Run<'_>, prepared: &Prepared) -> ContainerSpec {
    let Context {
        runtime,
        environment,
        ..
    } = run.context;
    let labels = [
        ("dreichor.deploy-agent.environment", environment.as_str()),
        ("dreichor.deploy-agent.version", crate::VERSION),
        (OPERATION_LABEL, run.ticket.id.as_str()),
    ];
    ContainerSpec {
        environment: prepared.environment.to_engine(),
        audit_events: runtime.audit_events.clone(),
        snapshots: runtime.snapshots.clone(),
        network: runtime.network.clone(),
        restart_policy: runtime.restart_policy,
        init: runtime.init,
        log: prepared.engine.container_log(&runtime.log),
        limits: runtime.limits.clone(),
        labels: labels
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<HashMap<_, _>>(),
    }
}
