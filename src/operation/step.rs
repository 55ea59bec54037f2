//! One operation in progress, and the one road of its steps to the engine.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::deps::OperationDeps;
use super::failure::{Failure, RuntimeState, Step, StepError};
use super::record::{self, Facts};
use super::request::{Operation, Turn};
use crate::audit::{Anchor, Event, Pending, Trail, TrailError};
use crate::engine::{ContainerId, INSPECT_DEADLINE};
use crate::runtime::Activity;

/// The most that a pull ahead of a deploy may take: what hangs does not do so for ever.
const LONGEST_PULL: Duration = Duration::from_secs(6 * 60 * 60);

/// The longest that a stop waits for one of its records: it is needed most when the host is worst off.
const STOP_RECORD_TIMEOUT: Duration = Duration::from_secs(3);

/// Records an event of a stop with all that a full disk has left. A disk that is silent is waited for a little; the
/// record is written when it answers again.
pub(super) async fn recorded_for_stop(trail: &Trail, event: Event) -> Result<Anchor, TrailError> {
    let pending = trail.append_or_owe(event, true);
    tokio::time::timeout(STOP_RECORD_TIMEOUT, pending)
        .await
        .unwrap_or(Err(TrailError::Silent))
}

/// Where the steps of an operation are shown, if it has any.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a>(Option<&'a watch::Sender<Activity>>);

impl Shown<'_> {
    /// Tells what is being done now.
    pub(super) fn publish(&self, change: impl FnOnce(&mut Activity)) {
        if let Some(activity) = self.0 {
            activity.send_modify(change);
        }
    }
}

/// One operation in progress: its clock and what is known of it so far.
pub(super) struct Run<'a> {
    pub(super) deps: &'a OperationDeps,
    pub(super) operation: &'a Operation,
    pub(super) facts: Facts,
    pub(super) shown: Shown<'a>,
    deadline: Instant,
    touched: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(deps: &'a OperationDeps, operation: &'a Operation) -> Self {
        let budget = operation.arrived + deps.limits.budget;
        let (activity, deadline) = match operation.turn() {
            Turn::InOrder => (Some(&deps.activity), budget),
            Turn::Beside => (Some(&deps.pulling), Instant::now() + LONGEST_PULL),
            Turn::AtOnce => (None, budget),
        };
        Self {
            deps,
            operation,
            facts: Facts::default(),
            shown: Shown(activity),
            deadline,
            touched: false,
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

    /// From here on the old container, if there is one, is not what it was.
    pub(super) async fn touch(&mut self, old: Option<&ContainerId>) {
        self.facts.met.old = old.cloned();
        self.touched = true;
        self.deps.watcher.touch().await;
    }

    pub(super) fn has_touched(&self) -> bool {
        self.touched
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
        let (id, title) = (&self.operation.id, self.operation.title());
        self.shown.publish(|activity| {
            *activity = Activity {
                operation: Some(title.clone()),
                step: Some(step.as_str()),
                progress: None,
            };
        });
        log::info!("operation={id} {title}: {}", step.as_str());
        let begun = Instant::now();
        self.announce(step).await?;
        let result = act.await;
        let took = begun.elapsed();
        let detail = result
            .as_ref()
            .err()
            .map(|error| self.facts.redact(&error.to_string()));
        let ended = record::step_ended(id, step, took, result.as_ref().err(), detail);
        // Written in order, and made durable at the latest with the outcome, which is awaited.
        drop(self.append(ended));
        log::info!(
            "operation={id} {title}: {} took {} ms",
            step.as_str(),
            took.as_millis()
        );
        result
    }

    /// Queues a record: of a stop with all that a full disk has left.
    fn append(&self, event: Event) -> Pending {
        match self.operation.is_stop() {
            true => self.deps.trail.append_or_owe(event, true),
            false => self.deps.trail.append(event),
        }
    }

    /// Records `event`. A stop does not wait long for it.
    pub(super) async fn recorded(&self, event: Event) -> Result<Anchor, TrailError> {
        match self.operation.is_stop() {
            true => recorded_for_stop(&self.deps.trail, event).await,
            false => self.append(event).await,
        }
    }

    /// Records the intent of a step.
    async fn announce(&self, step: Step) -> Result<(), StepError> {
        let id = &self.operation.id;
        let intent = record::step_started(id, step);
        if !step.is_announced_on_disk() {
            // On its way to the disk beside the act. Stopping half-way would leave the runtime down: should the disk
            // refuse, the outcome's record, which is awaited, decides the answer.
            drop(self.append(intent));
            return Ok(());
        }
        match self.recorded(intent).await {
            // The halt of a bad container, and a stop that somebody asked for, are owed also when they cannot be recorded.
            Err(error) if step == Step::Halt || self.operation.is_stop() => {
                let step = step.as_str();
                log::error!("operation={id} the intent of {step} is not recorded: {error}");
                Ok(())
            }
            written => Ok(written.map(drop)?),
        }
    }

    /// The failure of a step, with what a fresh inspect shows now, if the operation is one on the container.
    pub(super) async fn failed(&mut self, step: Step, error: &StepError) -> Failure {
        if let StepError::Signature { record, .. } = error {
            self.facts.signature = Some((**record).clone());
        }
        let unknown = error.is_unknown();
        let error_text = self.facts.redact(&error.to_string());
        let error_text = error_text.trim_end_matches(['.', ' ']);
        let mut reason = format!("{} failed: {error_text}", step.as_str());
        if unknown {
            reason += "; whether it took effect is unknown";
        }
        let mut state = RuntimeState::Untouched;
        if self.operation.is_on_the_runtime() {
            state = self.state_now().await;
            reason = format!("{reason}; {}", self.clause(state));
        }
        Failure {
            kind: error.kind(step),
            step: Some(step),
            reason,
            state,
            unknown,
        }
    }

    async fn state_now(&mut self) -> RuntimeState {
        let inspect = self.deps.engine.inspect_name();
        let observed = tokio::time::timeout(INSPECT_DEADLINE, inspect).await;
        let state = match &observed {
            Ok(Ok(observed)) => {
                let met = self.touched.then_some(&self.facts.met);
                RuntimeState::of(observed.as_ref(), &self.operation.id, met)
            }
            Ok(Err(_)) | Err(_) if !self.touched => RuntimeState::Untouched,
            Ok(Err(_)) | Err(_) => RuntimeState::Unknown,
        };
        if let Ok(Ok(observed)) = observed {
            self.facts.container = observed.map(|observed| observed.id);
        }
        state
    }

    fn clause(&self, state: RuntimeState) -> &'static str {
        match (self.touched, state) {
            (false, RuntimeState::OldRunning) => {
                "the old runtime container was not touched and is running"
            }
            (false, RuntimeState::OldStopped) => {
                "the old runtime container was not touched and is not running"
            }
            (_, state) => state.clause(),
        }
    }
}
