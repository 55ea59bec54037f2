//! What an operation leaves in the trail: facts are collected on the way, events are made of them here.

use std::time::{Duration, Instant};

use super::failure::{Failure, FailureKind, RuntimeState, StepError};
use super::run::Run;
use super::{Context, Done, Ended, Request, Step, Ticket};
use crate::audit::{
    self, Event, Fingerprint, Opened, OperationEnded, OperationInterrupted, OperationKind,
    OperationStarted, Outcome, PredecessorEnded, StepEnded, StepStarted, TagRan, Trail,
};
use crate::domain::RuntimeEnv;
use crate::engine::{ContainerId, ContainerSpec, Engine, Observed, PulledImage};

/// What is known of an operation so far.
#[derive(Default)]
pub(super) struct Facts {
    /// Kept to blank its values in what engines say.
    environment: Option<RuntimeEnv>,
    runtime_env: Option<Fingerprint>,
    container_settings: Option<Fingerprint>,
    pulled: Option<(String, String)>,
    /// The container there is now, as far as the last look or act showed.
    pub(super) container: Option<ContainerId>,
    /// What a success left behind.
    pub(super) state: Option<RuntimeState>,
    down_since: Option<Instant>,
    up_at: Option<Instant>,
}

/// How the process of a container ended.
pub(super) struct End {
    pub(super) exit_code: i64,
    pub(super) oom_killed: bool,
}

impl Facts {
    pub(super) fn prepared(
        &mut self,
        context: &Context,
        environment: RuntimeEnv,
        spec: &ContainerSpec,
    ) {
        let fingerprinter = &context.fingerprinter;
        self.runtime_env = Some(fingerprinter.of(environment.iter()));
        let settings = spec.settings();
        let pairs = settings.iter().map(|(name, value)| (*name, value.as_str()));
        self.container_settings = Some(fingerprinter.of(pairs));
        self.environment = Some(environment);
    }

    pub(super) fn pulled(&mut self, image: &PulledImage) {
        self.pulled = Some((image.digest.clone(), image.id.as_str().to_owned()));
    }

    /// The old container's process is gone.
    pub(super) fn down(&mut self, since: Instant) {
        self.down_since = Some(since);
        self.container = None;
    }

    pub(super) fn created(&mut self, id: &ContainerId) {
        self.container = Some(id.clone());
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

    fn downtime(&self) -> Option<Duration> {
        let (down, up) = (self.down_since?, self.up_at?);
        Some(up.saturating_duration_since(down))
    }
}

impl Run<'_> {
    pub(super) fn operation_started(&self) -> Event {
        operation_started(self.context, self.ticket)
    }

    pub(super) fn step_started(&self, step: Step) -> Event {
        Event::StepStarted(StepStarted {
            operation: self.ticket.id.clone(),
            step: step.as_str(),
        })
    }

    pub(super) fn step_ended(
        &self,
        step: Step,
        took: Duration,
        error: Option<&StepError>,
    ) -> Event {
        let outcome = match error {
            None => Outcome::Succeeded,
            Some(error) if error.is_unknown() => Outcome::Unknown,
            Some(_) => Outcome::Failed,
        };
        Event::StepEnded(StepEnded {
            operation: self.ticket.id.clone(),
            step: step.as_str(),
            outcome,
            duration_ms: millis(took),
            detail: error.map(|error| self.facts.redact(&error.to_string())),
        })
    }

    /// The entry of the tag in the ledger: it ran under this digest.
    pub(super) fn tag_ran(&self, image: &PulledImage) -> Event {
        Event::TagRan(TagRan {
            operation: self.ticket.id.clone(),
            reference: image.reference.as_str().to_owned(),
            digest: Some(image.digest.clone()),
            image_id: image.id.as_str().to_owned(),
        })
    }

    pub(super) fn operation_ended(&self, result: &Result<Done, Failure>) -> Event {
        let facts = &self.facts;
        let mut ended = operation_ended(self.ticket, result);
        if let (Ok(_), Some(state)) = (result, facts.state) {
            ended.state = state;
        }
        if let Some((digest, image_id)) = &facts.pulled {
            ended.digest = Some(digest.clone());
            ended.image_id = Some(image_id.clone());
        }
        ended.container_id = facts.container.as_ref().map(|id| id.as_str().to_owned());
        ended.downtime_ms = facts.downtime().map(millis);
        ended.runtime_env = facts.runtime_env.clone();
        ended.container_settings = facts.container_settings.clone();
        Event::OperationEnded(Box::new(ended))
    }

    /// Records an admitted operation that never began.
    pub async fn not_begun(context: &Context, ticket: &Ticket, failure: Failure) -> Ended {
        log::warn!("operation={} {} {failure}", ticket.id, ticket.title());
        let started = context.trail.append(operation_started(context, ticket));
        let ended = operation_ended(ticket, &Err(failure.clone()));
        let ended = context.trail.append(Event::OperationEnded(Box::new(ended)));
        let recorded = started.await.and(ended.await);
        if let Err(error) = &recorded {
            log::error!("operation={} is not recorded: {error}", ticket.id);
        }
        Ended {
            operation: Some(ticket.id.clone()),
            audit_head: recorded.ok(),
            result: Err(failure),
        }
    }
}

/// Closes what an earlier life of the agent left open, with what the engine shows now. Nothing is resumed.
pub async fn record_interrupted(trail: &Trail, engine: &Engine, opened: &Opened) {
    if opened.unfinished.is_empty() {
        return;
    }
    let shown = engine.inspect_name().await;
    for left in &opened.unfinished {
        let state = match &shown {
            Ok(shown) => RuntimeState::of(shown.as_ref(), &left.operation),
            Err(_) => RuntimeState::Unknown,
        };
        let shown = shown.as_ref().ok().and_then(Option::as_ref);
        log::warn!(
            "operation={} {} was interrupted; {}; nothing is resumed",
            left.operation,
            left.kind,
            state.clause()
        );
        let event = Event::OperationInterrupted(OperationInterrupted {
            operation: left.operation.clone(),
            kind: left.kind.clone(),
            last_step: left.last_step.clone(),
            state,
            container_id: shown.map(|shown| shown.id.as_str().to_owned()),
            image: shown.map(|shown| shown.image.clone()),
        });
        if let Err(error) = trail.append(event).await {
            log::error!(
                "operation={} could not be closed in the audit trail: {error}",
                left.operation
            );
        }
    }
}

/// How the old container ended.
pub(super) fn predecessor_ended(
    ticket: &Ticket,
    old: &Observed,
    end: Option<End>,
    killed_after_grace: bool,
) -> Event {
    Event::PredecessorEnded(PredecessorEnded {
        operation: ticket.id.clone(),
        container_id: old.id.as_str().to_owned(),
        image: Some(old.image.clone()),
        image_id: Some(old.image_id.as_str().to_owned()),
        exit_code: end.as_ref().map(|end| end.exit_code),
        oom_killed: end.as_ref().is_some_and(|end| end.oom_killed),
        killed_after_grace,
    })
}

fn operation_started(context: &Context, ticket: &Ticket) -> Event {
    Event::OperationStarted(OperationStarted {
        operation: ticket.id.clone(),
        kind: kind(ticket),
        requester: audit::Requester {
            client_id: ticket.requester.client_id.clone(),
            cf_ray: ticket.cf_ray.clone(),
            common_name: ticket.requester.common_name.clone(),
        },
        image: ticket.image().map(|image| image.as_str().to_owned()),
        environment_asked: ticket
            .environment_asked
            .map(|asked| asked.as_str().to_owned()),
        environment: context.environment.as_str().to_owned(),
        queue_wait_ms: millis(ticket.arrived.elapsed()),
        settings: Some(context.settings_fingerprint.clone()),
    })
}

fn operation_ended(ticket: &Ticket, result: &Result<Done, Failure>) -> OperationEnded {
    let failure = result.as_ref().err();
    let outcome = match failure {
        None => Outcome::Succeeded,
        Some(failure) if failure.unknown => Outcome::Unknown,
        Some(failure) => match failure.kind {
            FailureKind::Abandoned | FailureKind::ShuttingDown => Outcome::Abandoned,
            _ => Outcome::Failed,
        },
    };
    OperationEnded {
        operation: ticket.id.clone(),
        kind: kind(ticket),
        outcome,
        http: failure.map_or(200, |failure| failure.kind.http_status()),
        failed_step: failure.and_then(|failure| failure.step).map(Step::as_str),
        reason: failure.map(|failure| failure.reason.clone()),
        state: failure.map_or(RuntimeState::Unknown, |failure| failure.state),
        image: ticket.image().map(|image| image.as_str().to_owned()),
        digest: None,
        image_id: None,
        container_id: None,
        duration_ms: millis(ticket.arrived.elapsed()),
        downtime_ms: None,
        runtime_env: None,
        container_settings: None,
    }
}

fn kind(ticket: &Ticket) -> OperationKind {
    match ticket.request {
        Request::Deploy { .. } => OperationKind::Deploy,
        Request::Stop => OperationKind::Stop,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
