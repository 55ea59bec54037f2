//! One operation in progress: its clock, its records, and the one road to the engine.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::future::join;

use super::failure::{Failure, FailureKind, RuntimeState, StepError};
use super::record::Facts;
use super::{Context, Done, Ended, Request, Step, Ticket, deploy, stop};
use crate::audit::TrailError;
use crate::engine::{INSPECT_DEADLINE, PullProgress};
use crate::view::Activity;

/// A pull's progress is logged this often at most.
const PROGRESS_LOG: Duration = Duration::from_secs(5);

/// One operation in progress.
pub struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) ticket: &'a Ticket,
    pub(super) facts: Facts,
    deadline: Instant,
    touched: bool,
}

impl<'a> Run<'a> {
    /// Runs an admitted operation to its end and records it. Never cancelled: the actor owns it.
    ///
    /// A failure says at which step it came and what state the runtime is in.
    pub async fn perform(context: &'a Context, ticket: &'a Ticket) -> Ended {
        let deadline = ticket.arrived + context.rules.budget;
        let mut run = Self {
            context,
            ticket,
            facts: Facts::default(),
            deadline,
            touched: false,
        };
        log::info!(
            "operation={} {} begins, asked by {}",
            ticket.id,
            ticket.title(),
            ticket.requester.name()
        );
        let begun = run.begin().await;
        let result = match begun {
            Ok(()) => run.act().await,
            Err(failure) => Err(failure),
        };
        // Before the answer, so that a status asked after it shows this operation.
        let refreshed = context.watcher.refresh(run.touched);
        let (ended, ()) = join(run.end(result), refreshed).await;
        context.activity.send_replace(Activity::default());
        ended
    }

    /// Records the intent. Nothing is started that cannot be recorded.
    async fn begin(&mut self) -> Result<(), Failure> {
        // Not only this record must find room, but also the outcome.
        let recorded = match self.context.trail.probe().await {
            Ok(()) => self
                .context
                .trail
                .append(self.operation_started())
                .await
                .map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = recorded {
            let reason = format!("nothing was started: the audit trail cannot be written: {error}");
            return Err(Failure {
                kind: FailureKind::Trail,
                step: None,
                reason,
                state: RuntimeState::Untouched,
                unknown: false,
            });
        }
        let left = self.left();
        let least = self.context.least_time(&self.ticket.request);
        if left < least {
            let waited = self.ticket.arrived.elapsed().as_secs();
            let reason = format!(
                "not started: it waited {waited} s behind other operations and {} s are needed, {} s are left",
                least.as_secs(),
                left.as_secs()
            );
            return Err(Failure {
                kind: FailureKind::Deadline,
                step: None,
                reason,
                state: RuntimeState::Untouched,
                unknown: false,
            });
        }
        Ok(())
    }

    async fn act(&mut self) -> Result<Done, Failure> {
        match &self.ticket.request {
            Request::Deploy { image } => deploy::deploy(self, image).await,
            Request::Stop => stop::stop(self).await,
        }
    }

    async fn end(&mut self, result: Result<Done, Failure>) -> Ended {
        let event = self.operation_ended(&result);
        let title = self.ticket.title();
        let id = &self.ticket.id;
        match &result {
            Ok(_) => log::info!(
                "operation={id} {title} succeeded after {} ms",
                self.ticket.arrived.elapsed().as_millis()
            ),
            Err(failure) => log::error!("operation={id} {title} failed: {failure}"),
        }
        let (audit_head, result) = match self.context.trail.append(event).await {
            Ok(receipt) => {
                log::info!("operation={id} audit head {receipt}");
                (Some(receipt), result)
            }
            Err(error) => {
                log::error!("operation={id} the outcome could not be recorded: {error}");
                let unrecorded = |_| Err(self.unrecorded(&error.to_string()));
                (None, result.and_then(unrecorded))
            }
        };
        Ended {
            operation: Some(id.clone()),
            audit_head,
            result,
        }
    }

    /// It happened, but there is no record of it: an auditable agent does not call that a success.
    fn unrecorded(&self, error: &str) -> Failure {
        let reason = format!(
            "{} took effect, but its outcome could not be recorded in the audit trail: {error}",
            self.ticket.title()
        );
        let state = match self.ticket.request {
            Request::Deploy { .. } => RuntimeState::NewRunning,
            Request::Stop => RuntimeState::Nothing,
        };
        Failure {
            kind: FailureKind::Trail,
            step: None,
            reason,
            state,
            unknown: false,
        }
    }

    /// Time left in the budget.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Time left if `reserve` is kept for the steps to come; at least a second, because a step that began must be
    /// able to end.
    pub(super) fn left_but(&self, reserve: Duration) -> Duration {
        self.left()
            .saturating_sub(reserve)
            .max(Duration::from_secs(1))
    }

    /// The one road: publish, record the intent, act, record the outcome, tag the failure with the step.
    pub(super) async fn step<T>(
        &mut self,
        step: Step,
        act: impl Future<Output = Result<T, StepError>>,
    ) -> Result<T, Failure> {
        match self.attempt(step, act).await {
            Ok(value) => Ok(value),
            Err(error) => Err(self.failed(step, &error).await),
        }
    }

    /// A step whose failure is not the last word yet.
    pub(super) async fn attempt<T>(
        &self,
        step: Step,
        act: impl Future<Output = Result<T, StepError>>,
    ) -> Result<T, StepError> {
        let title = self.ticket.title();
        let activity = Activity {
            operation: Some(title.clone()),
            step: Some(step.as_str()),
            progress: None,
        };
        self.context.activity.send_replace(activity);
        log::info!("operation={} {title}: {}", self.ticket.id, step.as_str());
        let begun = Instant::now();
        let intent = self.context.trail.append(self.step_started(step));
        let result = if step.is_announced_on_disk() {
            match intent.await {
                Err(error) if step != Step::Halt => Err(StepError::Trail(error)),
                // The halt of a bad container is owed even when it cannot be recorded.
                written => {
                    self.note_unwritten(step, written.err());
                    act.await
                }
            }
        } else {
            // On its way to the disk beside the act. Stopping half-way would leave the runtime down: should the disk
            // refuse, the outcome's record, which is awaited, decides the answer.
            drop(intent);
            act.await
        };
        let took = begun.elapsed();
        // Written in order, and made durable at the latest with the outcome, which is awaited.
        drop(
            self.context
                .trail
                .append(self.step_ended(step, took, result.as_ref().err())),
        );
        log::info!(
            "operation={} {title}: {} took {} ms",
            self.ticket.id,
            step.as_str(),
            took.as_millis()
        );
        result
    }

    /// From here on the old container is not what it was.
    pub(super) fn touch(&mut self) {
        self.touched = true;
    }

    fn note_unwritten(&self, step: Step, error: Option<TrailError>) {
        if let Some(error) = error {
            // Stopping half-way would leave the runtime down; the outcome's record decides the answer.
            log::error!(
                "operation={} the intent of {} is not recorded: {error}",
                self.ticket.id,
                step.as_str()
            );
        }
    }

    /// The failure of a step, with what a fresh inspect shows now.
    pub(super) async fn failed(&mut self, step: Step, error: &StepError) -> Failure {
        let shown =
            tokio::time::timeout(INSPECT_DEADLINE, self.context.engine.inspect_name()).await;
        let state = match &shown {
            Ok(Ok(shown)) => RuntimeState::of(shown.as_ref(), &self.ticket.id),
            Ok(Err(_)) | Err(_) if !self.touched => RuntimeState::Untouched,
            Ok(Err(_)) | Err(_) => RuntimeState::Unknown,
        };
        if let Ok(Ok(shown)) = &shown {
            self.facts.container = shown.as_ref().map(|shown| shown.id.clone());
        }
        let error_text = self.facts.redact(&error.to_string());
        let error_text = error_text.trim_end_matches(['.', ' ']);
        let clause = match (self.touched, state) {
            (false, RuntimeState::OldRunning) => {
                "the old runtime container was not touched and is running"
            }
            (false, RuntimeState::OldStopped) => {
                "the old runtime container was not touched and is not running"
            }
            (_, state) => state.clause(),
        };
        let unknown = error.is_unknown();
        let doubt = if unknown {
            "; whether it took effect is unknown"
        } else {
            ""
        };
        let reason = format!("{} failed: {error_text}{doubt}; {clause}", step.as_str());
        Failure {
            kind: error.kind(step),
            step: Some(step),
            reason,
            state,
            unknown,
        }
    }
}

/// Publishes and logs a pull's progress; apart from [`Run`], because the pull runs inside a step of it.
pub(super) struct ProgressReport<'a> {
    context: &'a Context,
    ticket: &'a Ticket,
    logged: Option<Instant>,
}

impl<'a> ProgressReport<'a> {
    pub(super) fn new(run: &Run<'a>) -> Self {
        Self {
            context: run.context,
            ticket: run.ticket,
            logged: None,
        }
    }

    pub(super) fn take(&mut self, progress: PullProgress) {
        self.context
            .activity
            .send_modify(|activity| activity.progress = Some(progress));
        if self
            .logged
            .is_none_or(|logged| logged.elapsed() >= PROGRESS_LOG)
        {
            self.logged = Some(Instant::now());
            log::info!(
                "operation={} {}: {}",
                self.ticket.id,
                self.ticket.title(),
                pulling(progress)
            );
        }
    }
}

/// `pulling 43 %, 120 of 280 MB`.
#[must_use]
pub fn pulling(progress: PullProgress) -> String {
    let percent = progress
        .current
        .saturating_mul(100)
        .checked_div(progress.total)
        .unwrap_or(0)
        .min(100);
    format!(
        "pulling {percent} %, {} of {} MB",
        progress.current / 1_000_000,
        progress.total / 1_000_000
    )
}
