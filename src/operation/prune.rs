//! Images that are not needed: what ran before, is in no container and not among the newest, and what lost its tag.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::deps::OperationDeps;
use super::failure::{Failure, FailureKind, RuntimeState};
use super::record;
use super::request::Completed;
use super::step::Run;
use crate::engine::{EngineError, StoredImage};
use crate::runtime::Activity;

/// An image that a prune would remove.
#[derive(Debug, Clone)]
pub struct Unneeded {
    /// Its name on this host.
    pub image: StoredImage,
    /// When it last ran, RFC 3339; none of what has lost its tag.
    pub last_ran_at: Option<String>,
}

/// How long an image that somebody pulled is left alone: longer than any operation may take. The other environment's
/// agent pulls on the same engine, and would find its image gone between its stop and its start.
const PULLED_LATELY: time::Duration = time::Duration::minutes(3);

/// What a prune would remove, but the newest `keep` of what ran and is in no container. Touches nothing.
///
/// A tag that the trail does not know, or knows of another image, was fetched for a deploy to come, and is kept.
///
/// # Errors
/// The engine does not say which images there are, which are in use, or which were pulled.
pub async fn unneeded(deps: &OperationDeps, keep: usize) -> Result<Vec<Unneeded>, EngineError> {
    // In this order: a container made in between of an image that is listed counts as a user.
    let stored = deps.engine.stored_images(&deps.runtime.repository).await?;
    let used = deps.engine.images_in_use().await?;
    let pulled = PulledLately::ask(deps).await?;
    let unused = stored
        .into_iter()
        .filter(|image| !used.contains(image.id.as_str()));
    let (tagged, untagged): (Vec<_>, Vec<_>) = unused.partition(|image| image.tagged);
    let mut ran: Vec<_> = tagged
        .into_iter()
        .filter_map(|image| {
            let entry = deps.trail.ledger_lookup(&image.reference)?;
            entry
                .ran(image.id.as_str(), &image.digests)
                .then_some((entry, image))
        })
        .collect();
    ran.sort_by(|(one, _), (other, _)| other.last_ran_order().cmp(&one.last_ran_order()));
    let ran = ran.into_iter().skip(keep).map(|(entry, image)| Unneeded {
        image,
        last_ran_at: Some(entry.last_ran_at().to_owned()),
    });
    let untagged = untagged.into_iter().map(|image| Unneeded {
        image,
        last_ran_at: None,
    });
    let all = ran.chain(untagged);
    Ok(all.filter(|found| !pulled.wants(&found.image)).collect())
}

/// Names that somebody pulled a moment ago, and that have not run here since: an operation of the other environment may
/// be about to start them.
struct PulledLately(HashSet<String>);

impl PulledLately {
    async fn ask(deps: &OperationDeps) -> Result<Self, EngineError> {
        let repository = &deps.runtime.repository;
        let pulls = deps.engine.pulls_within(repository, PULLED_LATELY).await?;
        let by_others = pulls.into_iter().filter(|pull| {
            let entry = deps.trail.ledger_lookup(&pull.reference);
            let ran =
                entry.and_then(|entry| OffsetDateTime::parse(entry.last_ran_at(), &Rfc3339).ok());
            // The trail's times are whole milliseconds.
            let pulled = pull.at.truncate_to_millisecond();
            ran.is_none_or(|ran| ran < pulled)
        });
        Ok(Self(by_others.map(|pull| pull.reference).collect()))
    }

    /// Of what has no tag it is not known who pulled it.
    fn wants(&self, image: &StoredImage) -> bool {
        match image.tagged {
            true => self.0.contains(&image.reference),
            false => !self.0.is_empty(),
        }
    }
}

/// Removes what is not needed, one after the other, each recorded before and after. It gives way: to whoever asked and
/// leaves, to an operation that waits, and to the budget.
pub(super) async fn prune(
    run: &mut Run<'_>,
    keep: usize,
    cancelled: impl Future<Output = &'static str>,
) -> Result<Completed, Failure> {
    let deps = run.deps;
    run.facts.state = Some(RuntimeState::Untouched);
    let Ok(_images) = deps.images.try_acquire() else {
        let reason = "nothing was removed: an image is being pulled ahead; end that first";
        return Err(Failure::before_start(FailureKind::Busy, reason));
    };
    let found = unneeded(deps, keep).await.map_err(|error| {
        let reason = format!("nothing was removed: {error}");
        Failure::before_start(FailureKind::EngineUnreachable, reason)
    })?;
    let mut cancelled = std::pin::pin!(cancelled);
    let (mut names, mut kept) = (Vec::new(), Vec::new());
    for (nth, Unneeded { image, .. }) in found.iter().enumerate() {
        if let Some(why) = gives_way(run, cancelled.as_mut()).await {
            let left = found.len() - nth;
            let reason = format!("{}; {left} are left: {why}", removed(&names));
            return Err(Failure::before_start(FailureKind::Cancelled, reason));
        }
        // Asked again: it may have been listed long ago.
        match PulledLately::ask(deps).await {
            Ok(pulled) if pulled.wants(image) => continue,
            Ok(_) => {}
            Err(error) => {
                kept.push((image.reference.clone(), error));
                continue;
            }
        }
        match remove(run, image).await? {
            Ok(()) => names.push(image.reference.clone()),
            Err(error) => kept.push((image.reference.clone(), error)),
        }
    }
    if kept.is_empty() {
        return Ok(Completed::Pruned { names });
    }
    let unknown = kept.iter().any(|(_, error)| is_unknown(error));
    let kept: Vec<_> = kept
        .iter()
        .map(|(name, error)| format!("{name}: {error}"))
        .collect();
    let reason = format!("{}; not removed: {}", removed(&names), kept.join("; "));
    Err(Failure {
        unknown,
        ..Failure::before_start(FailureKind::EngineRefused, reason)
    })
}

/// Why it ends now, with what is left.
async fn gives_way(
    run: &Run<'_>,
    cancelled: Pin<&mut impl Future<Output = &'static str>>,
) -> Option<&'static str> {
    if run.deps.admission.taken() > 0 {
        return Some("an operation on the runtime waits; prune again behind it");
    }
    if run.left().is_zero() {
        return Some("it took as long as an operation may; prune again");
    }
    tokio::select! {
        biased;
        why = cancelled => Some(why),
        () = std::future::ready(()) => None,
    }
}

/// Removes one image: the outer failure ends the prune.
async fn remove(run: &Run<'_>, image: &StoredImage) -> Result<Result<(), EngineError>, Failure> {
    let unrecorded = |error| {
        let reason =
            format!("nothing more was removed: the audit trail cannot be written: {error}");
        Failure::before_start(FailureKind::Trail, reason)
    };
    let (trail, operation) = (&run.deps.trail, run.operation);
    run.shown.publish(|activity| {
        *activity = Activity {
            operation: Some(format!("prune {}", image.reference)),
            step: None,
            progress: None,
        };
    });
    let intent = record::removal_started(operation, image);
    trail.append(intent).await.map_err(unrecorded)?;
    let begun = Instant::now();
    let result = run.deps.engine.remove_image(image).await;
    for event in record::removal_ended(operation, image, begun.elapsed(), &result) {
        trail.append(event).await.map_err(unrecorded)?;
    }
    log::info!(
        "operation={} prune: {} {}",
        operation.id,
        image.reference,
        match &result {
            Ok(_) => "removed".to_owned(),
            Err(error) => format!("not removed: {error}"),
        }
    );
    Ok(result.map(drop))
}

fn is_unknown(error: &EngineError) -> bool {
    error.effect == crate::engine::Effect::Unknown
}

fn removed(names: &[String]) -> String {
    match names {
        [] => "nothing was removed".to_owned(),
        names => format!("removed: {}", names.join(", ")),
    }
}
