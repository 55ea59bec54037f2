//! A deploy: preflight, pull, verify, stop, remove, create, start, confirm.

use std::time::Duration;

use super::confirm::confirm;
use super::failure::{Failure, FailureKind, Step};
use super::image::verify;
use super::preflight::{Prepared, preflight};
use super::pull::pull;
use super::request::Completed;
use super::step::Run;
use super::stop::{record_end, remove, stop_old, warn_of_foreign};
use crate::domain::ImageReference;
use crate::engine::{ContainerId, ContainerSpec, Holder, OPERATION_LABEL};

/// The most that creating a container may take.
const CREATE_LIMIT: Duration = Duration::from_secs(10);
/// The most that starting one may take.
const START_LIMIT: Duration = Duration::from_secs(15);

/// Replaces the container, or starts the first one.
pub(super) async fn deploy(
    run: &mut Run<'_>,
    image: &ImageReference,
) -> Result<Completed, Failure> {
    let deps = run.deps;
    let window = deps.limits.start_confirmation;
    let prepared = run.step(Step::Preflight, preflight(deps)).await?;
    let spec = container_spec(run, &prepared);
    run.facts.prepared(deps, &prepared.environment, &spec);
    let pulled = run
        .step(Step::Pull, pull(run, image, &prepared.engine))
        .await?;
    run.facts.pulled(&pulled);
    let verifying = verify(run, &pulled, &prepared);
    let verified = run.step(Step::Verify, verifying).await?;
    run.facts.signature = verified.signature;

    // Nothing before this line changes the running container.
    run.touch(verified.holder.container()).await;
    let mut events = deps.watcher.subscribe();
    let vacancy = match verified.holder {
        Holder::Nobody(vacancy) => vacancy,
        Holder::Container(old) => {
            warn_of_foreign(run, &old);
            let end = run.step(Step::Stop, stop_old(run, &old, window)).await?;
            record_end(run, &old, end).await;
            run.step(Step::Remove, remove(run, &old, window)).await?
        }
    };
    let limit = run.left_but(window).min(CREATE_LIMIT);
    let created = deps.engine.create(vacancy, &pulled, spec, limit);
    let created = run.step(Step::Create, async { Ok(created.await?) }).await?;
    run.facts.created(&created.id);
    let limit = run.left_but(window).min(START_LIMIT);
    let started = deps.engine.start(created, limit);
    let started = run.step(Step::Start, async { Ok(started.await?) }).await?;
    run.facts.started();
    let confirmed = confirm(deps, &started.id, &pulled, &mut events);
    match run.attempt(Step::Confirm, confirmed).await {
        Ok(state) => run.facts.state = Some(state),
        Err(error) => {
            if error.kind(Step::Confirm) == FailureKind::NotStarted {
                halt(run, &started.id).await;
            }
            return Err(run.failed(Step::Confirm, &error).await);
        }
    }
    Ok(Completed::Deployed {
        image: image.clone(),
    })
}

/// Stops a container that failed its confirmation, so that no restart policy loops it. It stays for `docker logs`.
async fn halt(run: &Run<'_>, id: &ContainerId) {
    let grace = run.deps.limits.stop_grace;
    let limit = run.left_but(Duration::ZERO).max(grace);
    let stopping = run.deps.engine.stop(id, grace, limit);
    let halted = run.attempt(Step::Halt, async { Ok(stopping.await?) }).await;
    if let Err(error) = halted {
        // The failure of the confirmation is what the caller hears; the state in it tells the rest.
        log::error!(
            "operation={} the failed container could not be stopped: {error}",
            run.operation.id
        );
    }
}

/// What the container is made of.
fn container_spec(run: &Run<'_>, prepared: &Prepared) -> ContainerSpec {
    let (deps, runtime) = (run.deps, &run.deps.runtime);
    let labels = [
        (
            "dreichor.deploy-agent.environment",
            deps.environment.as_str(),
        ),
        ("dreichor.deploy-agent.version", crate::VERSION),
        (OPERATION_LABEL, run.operation.id.as_str()),
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
            .collect(),
    }
}
