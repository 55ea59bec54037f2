//! `deploy-agent prune`: images that were deployed before and that no container uses. Never runs by itself.
//!
//! It writes to the audit trail, which has one writer: the agent of the environment must be stopped meanwhile. The
//! runtime container does not notice.

use std::time::Instant;

use clap::Args;

use super::source::SettingsSource;
use crate::audit::{
    Event, ImagePruned, OperationEnded, OperationKind, OperationStarted, Outcome, ROTATE_AT,
    Requester, RuntimeState, Trail, TrailError, TrailOptions,
};
use crate::engine::{Engine, StoredImage};
use crate::exit::Exit;
use crate::operation::record_interrupted;
use crate::settings::Settings;

/// What `prune` removes.
#[derive(Debug, Args)]
pub(super) struct PruneArguments {
    #[command(flatten)]
    source: SettingsSource,
    /// How many of the images that ran last are kept, besides those in use
    #[arg(long, value_name = "N", default_value_t = 5)]
    keep: usize,
    /// Remove them; without it they are only listed
    #[arg(long)]
    yes: bool,
}

/// Lists, and with `--yes` removes.
pub(super) fn run(arguments: &PruneArguments) -> Exit {
    let settings = match arguments.source.settings_or_exit() {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let pruned = match runtime {
        Ok(runtime) => runtime.block_on(prune(&settings, arguments)),
        Err(error) => Err((
            Exit::Failed,
            format!("the async runtime cannot be started: {error}"),
        )),
    };
    match pruned {
        Ok(()) => Exit::Ok,
        Err((exit, problem)) => {
            eprintln!("{problem}");
            exit
        }
    }
}

type Failed = (Exit, String);

async fn prune(settings: &Settings, arguments: &PruneArguments) -> Result<(), Failed> {
    let failed = |problem: String| (Exit::Failed, problem);
    let (trail, opened) = Trail::open(TrailOptions {
        state_directory: settings.state_directory.clone(),
        environment: settings.environment.as_str().to_owned(),
        agent_version: crate::VERSION.to_owned(),
        rotate_at: ROTATE_AT,
    })
    .map_err(|error| match error {
        TrailError::Locked(_) => (
            Exit::Locked,
            format!("{error}: stop it first; the runtime container stays as it is"),
        ),
        error => failed(error.to_string()),
    })?;
    let engine = Engine::new(
        settings.engine.clone(),
        settings.runtime.container_name.clone(),
    );
    record_interrupted(&trail, &engine, &opened).await;
    let candidates = candidates(settings, &engine, &trail, arguments.keep).await;
    let candidates = candidates.map_err(|error| failed(format!("DOCKER_HOST {error}")))?;
    for image in &candidates {
        println!("{}  {} MB", image.reference, image.size / 1_000_000);
    }
    let result = if candidates.is_empty() {
        println!("nothing to remove");
        Ok(())
    } else if arguments.yes {
        remove(settings, &engine, &trail, &candidates)
            .await
            .map_err(failed)
    } else {
        println!("{} to remove; --yes removes them", candidates.len());
        Ok(())
    };
    trail.close().await;
    result
}

/// What ran once, is not in use now, and is not among the newest.
async fn candidates(
    settings: &Settings,
    engine: &Engine,
    trail: &Trail,
    keep: usize,
) -> Result<Vec<StoredImage>, crate::engine::EngineError> {
    let used = engine.images_in_use().await?;
    let stored = engine.stored_images(&settings.runtime.repository).await?;
    let mut ran: Vec<(String, StoredImage)> = stored
        .into_iter()
        .filter_map(|image| Some((trail.ledger_lookup(&image.reference)?.first_ran_at, image)))
        .filter(|(_, image)| !used.contains(image.id.as_str()))
        .collect();
    // RFC 3339 in UTC sorts as text.
    ran.sort_by(|(one, _), (other, _)| other.cmp(one));
    Ok(ran.into_iter().skip(keep).map(|(_, image)| image).collect())
}

async fn remove(
    settings: &Settings,
    engine: &Engine,
    trail: &Trail,
    images: &[StoredImage],
) -> Result<(), String> {
    let begun = Instant::now();
    let operation = uuid::Uuid::now_v7().to_string();
    let unrecorded = |error: TrailError| {
        format!("nothing more was removed: the audit trail cannot be written: {error}")
    };
    trail.probe().await.map_err(unrecorded)?;
    let intent = Event::OperationStarted(OperationStarted {
        operation: operation.clone(),
        kind: OperationKind::Prune,
        requester: Requester {
            client_id: Some(format!("local user {}", rustix::process::getuid().as_raw())),
            ..Requester::default()
        },
        image: None,
        environment_asked: None,
        environment: settings.environment.as_str().to_owned(),
        queue_wait_ms: 0,
        settings: None,
    });
    trail.append(intent).await.map_err(unrecorded)?;
    let mut problem = None;
    for image in images {
        if let Err(error) = engine.remove_image(image).await {
            problem = Some(format!("{} was not removed: {error}", image.reference));
            break;
        }
        println!("removed {}", image.reference);
        let record = Event::ImagePruned(ImagePruned {
            operation: operation.clone(),
            image: Some(image.reference.clone()),
            image_id: image.id.as_str().to_owned(),
            bytes: Some(image.size),
        });
        if let Err(error) = trail.append(record).await {
            problem = Some(unrecorded(error));
            break;
        }
    }
    let ended = Event::OperationEnded(Box::new(OperationEnded {
        operation,
        kind: OperationKind::Prune,
        outcome: if problem.is_none() {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        },
        http: if problem.is_none() { 200 } else { 500 },
        failed_step: None,
        reason: problem.clone(),
        state: RuntimeState::Untouched,
        image: None,
        digest: None,
        image_id: None,
        signature: None,
        container_id: None,
        duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        downtime_ms: None,
        runtime_env: None,
        container_settings: None,
    }));
    trail
        .append(ended)
        .await
        .map_err(|error| error.to_string())?;
    problem.map_or(Ok(()), Err)
}
