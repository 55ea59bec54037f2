//! What an operation leaves in the trail: facts are collected on the way, events are made of data here.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::deps::OperationDeps;
use super::failure::{Failure, FailureKind, Met, RuntimeState, Step, StepError};
use super::request::{Completed, Operation};
use crate::access::Requester;
use crate::audit::{
    self, Event, Fingerprint, FreezeAsked, ImageClaims, ImagePruned, OperationEnded,
    OperationStarted, Outcome, PredecessorEnded, Proof, SignatureRecord, StepEnded, StepStarted,
    TagRan,
};
use crate::clock;
use crate::domain::{ProcessEnv, RuntimeEnv};
use crate::engine::{
    ContainerId, ContainerSpec, Effect, EngineError, ImageOrigin, Observed, PulledImage, Removed,
    StoredImage,
};

/// The step of a prune, once for each image.
const REMOVAL: &str = "remove_image";

/// What is known of an operation so far.
#[derive(Default)]
pub(super) struct Facts {
    /// Kept to blank its values in what engines say.
    environment: Option<RuntimeEnv>,
    runtime_env: Option<Fingerprint>,
    container_settings: Option<Fingerprint>,
    pulled: Option<(String, String)>,
    /// Names of the variables that only the image gives.
    image_variables: Vec<String>,
    /// What it has to do with.
    pub(super) met: Met,
    /// What the image says of its origin.
    origin: ImageOrigin,
    /// What is known of the image's signature.
    pub(super) signature: Option<SignatureRecord>,
    /// The container there is now, as far as the last inspect or act showed.
    pub(super) container: Option<ContainerId>,
    /// What a success left behind.
    pub(super) state: Option<RuntimeState>,
    down_since: Option<Instant>,
    up_at: Option<Instant>,
}

/// How the process of a container ended.
pub(super) struct End {
    /// When the engine said so.
    pub(super) at: Instant,
    /// None if the engine could not be asked.
    pub(super) exit_code: Option<i64>,
    pub(super) oom_killed: bool,
    /// It did not end within the grace.
    pub(super) killed_after_grace: bool,
    /// From SIGTERM to its end; nothing if it did not run.
    pub(super) took: Duration,
}

impl Facts {
    pub(super) fn prepared(
        &mut self,
        deps: &OperationDeps,
        environment: &RuntimeEnv,
        spec: &ContainerSpec,
    ) {
        // The preflight has asked for it.
        if let Ok(fingerprinter) = deps.fingerprints.get() {
            self.runtime_env = Some(fingerprinter.of(environment.iter()));
            let settings = spec.settings();
            let pairs = settings.iter().map(|(name, value)| (*name, value.as_str()));
            self.container_settings = Some(fingerprinter.of(pairs));
        }
        self.environment = Some(environment.clone());
    }

    pub(super) fn pulled(&mut self, image: &PulledImage) {
        self.pulled = Some((image.digest.clone(), image.id.as_str().to_owned()));
        self.origin = image.config.origin.clone();
        if let Some(environment) = &self.environment {
            let process = ProcessEnv::new(&image.config.env, environment);
            self.image_variables = process.names_of_image();
        }
    }

    /// The old container's process is gone.
    pub(super) fn down(&mut self, since: Instant) {
        self.down_since = Some(since);
        self.container = None;
    }

    pub(super) fn created(&mut self, id: &ContainerId) {
        self.container = Some(id.clone());
        self.met.new = Some(id.clone());
    }

    pub(super) fn started(&mut self) {
        self.up_at = Some(Instant::now());
    }

    /// Blanks what came from `runtime.env`.
    pub(super) fn redact(&self, text: &str) -> String {
        match &self.environment {
            Some(environment) => environment.redact(text),
            None => text.to_owned(),
        }
    }
}

/// The intent of an operation.
pub(super) fn operation_started(deps: &OperationDeps, operation: &Operation) -> Event {
    let requester = &operation.requester;
    let asked = operation.environment_asked;
    Event::OperationStarted(OperationStarted {
        operation: operation.id.clone(),
        kind: operation.kind(),
        requester: asked_by(
            requester,
            operation.cf_ray.clone(),
            operation.user_agent.clone(),
        ),
        image: operation.image().map(|image| image.as_str().to_owned()),
        environment_asked: asked.map(|asked| asked.as_str().to_owned()),
        environment: deps.environment.as_str().to_owned(),
        freeze: operation.freeze().map(|freeze| FreezeAsked {
            reason: freeze.reason.clone(),
            until: clock::rfc3339(freeze.until),
        }),
        queue_wait_ms: millis(operation.arrived.elapsed()),
        settings: deps.settings_fingerprint(),
    })
}

/// Who asked, with what proved it, as records have it.
#[must_use]
pub fn asked_by(
    requester: &Requester,
    cf_ray: Option<String>,
    user_agent: Option<String>,
) -> audit::Requester {
    let proofs = [
        (requester.pinned, Proof::PinnedToken),
        (requester.common_name.is_some(), Proof::Assertion),
        (requester.local, Proof::LocalUser),
    ];
    audit::Requester {
        client_id: requester.client_id.clone(),
        cf_ray,
        common_name: requester.common_name.clone(),
        proven: proofs
            .into_iter()
            .filter_map(|(proven, proof)| proven.then_some(proof))
            .collect(),
        user_agent,
    }
}

/// The intent of a step.
pub(super) fn step_started(operation: &str, step: Step) -> Event {
    Event::StepStarted(StepStarted {
        operation: operation.to_owned(),
        step: step.as_str(),
        image: None,
    })
}

/// The outcome of a step; `detail` holds no secret.
pub(super) fn step_ended(
    operation: &str,
    step: Step,
    took: Duration,
    error: Option<&StepError>,
    detail: Option<String>,
) -> Event {
    let outcome = match error {
        None => Outcome::Succeeded,
        Some(error) if error.is_unknown() => Outcome::Unknown,
        Some(_) => Outcome::Failed,
    };
    Event::StepEnded(StepEnded {
        operation: operation.to_owned(),
        step: step.as_str(),
        outcome,
        duration_ms: millis(took),
        detail,
    })
}

/// The intent of removing one image.
pub(super) fn removal_started(operation: &Operation, image: &StoredImage) -> Event {
    Event::StepStarted(StepStarted {
        operation: operation.id.clone(),
        step: REMOVAL,
        image: Some(image.reference.clone()),
    })
}

/// The outcome of removing one image, and what is gone if it succeeded.
pub(super) fn removal_ended(
    operation: &Operation,
    image: &StoredImage,
    took: Duration,
    result: &Result<Removed, EngineError>,
) -> Vec<Event> {
    let ended = Event::StepEnded(StepEnded {
        operation: operation.id.clone(),
        step: REMOVAL,
        outcome: match result {
            Ok(_) => Outcome::Succeeded,
            Err(error) if error.effect == Effect::Unknown => Outcome::Unknown,
            Err(_) => Outcome::Failed,
        },
        duration_ms: millis(took),
        detail: result.as_ref().err().map(ToString::to_string),
    });
    let gone = Event::ImagePruned(ImagePruned {
        operation: operation.id.clone(),
        image: Some(image.reference.clone()),
        image_id: image.id.as_str().to_owned(),
        bytes: Some(image.size),
    });
    match result {
        Ok(Removed::Now) => vec![ended, gone],
        Ok(Removed::Before) | Err(_) => vec![ended],
    }
}

/// How the old container ended.
pub(super) fn predecessor_ended(operation: &Operation, old: &Observed, end: &End) -> Event {
    Event::PredecessorEnded(PredecessorEnded {
        operation: operation.id.clone(),
        container_id: old.id.as_str().to_owned(),
        image: Some(old.image.clone()),
        image_id: Some(old.image_id.as_str().to_owned()),
        foreign: old.operation.is_none(),
        exit_code: end.exit_code,
        oom_killed: end.oom_killed,
        killed_after_grace: end.killed_after_grace,
        stop_ms: millis(end.took),
    })
}

/// The entry of the tag in the ledger: it is bound to this digest.
pub(super) fn tag_ran(operation: &Operation, image: &PulledImage) -> Event {
    Event::TagRan(TagRan {
        operation: operation.id.clone(),
        reference: image.reference.as_str().to_owned(),
        digest: Some(image.digest.clone()),
        image_id: image.id.as_str().to_owned(),
    })
}

/// The outcome of an operation; without facts of one that never began.
pub(super) fn operation_ended(
    operation: &Operation,
    result: &Result<Completed, Failure>,
    facts: Option<&Facts>,
) -> Event {
    let failure = result.as_ref().err();
    let none = Facts::default();
    let Facts {
        environment: _,
        runtime_env,
        container_settings,
        pulled,
        image_variables,
        origin,
        signature,
        container,
        met: _,
        state,
        down_since,
        up_at,
    } = facts.unwrap_or(&none);
    let (digest, image_id) = pulled.clone().unzip();
    let known = failure.map_or(*state, |failure| Some(failure.state));
    // A start that did not hold is none: the runtime is down until another one does.
    let held = failure.is_none() || known == Some(RuntimeState::NewRunning);
    let up_at = up_at.filter(|_| held);
    let downtime = down_since
        .zip(up_at)
        .map(|(down, up)| up.saturating_duration_since(down));
    Event::OperationEnded(Box::new(OperationEnded {
        operation: operation.id.clone(),
        kind: operation.kind(),
        outcome: outcome(failure),
        http: failure.map_or(200, |failure| failure.kind.http_status()),
        failed_step: failure.and_then(|failure| failure.step).map(Step::as_str),
        reason: reason(operation, result),
        state: known.unwrap_or(RuntimeState::Unknown),
        image: operation.image().map(|image| image.as_str().to_owned()),
        digest,
        image_id,
        claimed_by_image: claims(origin),
        signature: signature.clone(),
        container_id: container.as_ref().map(|id| id.as_str().to_owned()),
        duration_ms: millis(operation.arrived.elapsed()),
        down_since: down_since.map(at),
        up_since: up_at.map(at),
        downtime_ms: downtime.map(millis),
        runtime_env: runtime_env.clone(),
        image_variables: image_variables.clone(),
        container_settings: container_settings.clone(),
    }))
}

/// None of an image that claims nothing.
fn claims(origin: &ImageOrigin) -> Option<ImageClaims> {
    let ImageOrigin {
        revision,
        source,
        created,
    } = origin.clone();
    let any = revision.is_some() || source.is_some() || created.is_some();
    any.then_some(ImageClaims {
        revision,
        source,
        created,
    })
}

/// The sentence that the caller was given. The answer to a deploy or a stop that succeeded has none.
fn reason(operation: &Operation, result: &Result<Completed, Failure>) -> Option<String> {
    match result {
        Err(failure) => Some(failure.reason.clone()),
        Ok(_) if operation.is_on_the_runtime() => None,
        Ok(completed) => Some(completed.to_string()),
    }
}

fn outcome(failure: Option<&Failure>) -> Outcome {
    match failure {
        None => Outcome::Succeeded,
        Some(failure) if failure.unknown => Outcome::Unknown,
        Some(failure) => match failure.kind {
            FailureKind::Abandoned | FailureKind::ShuttingDown => Outcome::Abandoned,
            _ => Outcome::Failed,
        },
    }
}

/// A moment of this process as records show it.
fn at(moment: Instant) -> String {
    audit::timestamp(OffsetDateTime::now_utc() - moment.elapsed())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
