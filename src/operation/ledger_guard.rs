//! Whether the ledger of tags can be believed: what is doubted is said, recorded, and in prod refuses deploys until an
//! operator has acknowledged it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use super::failure::StepError;
use crate::audit::{
    Acknowledgement, DoubtKind, Event, LedgerAcknowledged, LedgerDoubted, Trail, TrailError,
};
use crate::domain::Environment;
use crate::engine::{Engine, Observed};
use crate::runtime::Conditions;

/// How soon an acknowledgement is recorded when nobody deploys.
const INTERVAL: Duration = Duration::from_secs(1);

/// Keeps deploys from an agent that may not know which tags ran. Cheap to clone.
#[derive(Clone)]
pub struct LedgerGuard(Arc<Inner>);

struct Inner {
    trail: Trail,
    state_directory: PathBuf,
    environment: Environment,
    conditions: watch::Sender<Conditions>,
    /// Held while something is read and recorded, so that neither is done twice.
    recording: Mutex<()>,
}

impl LedgerGuard {
    /// A guard of this trail's ledger, which says in `conditions` what is doubted.
    #[must_use]
    pub fn new(
        trail: Trail,
        state_directory: PathBuf,
        environment: Environment,
        conditions: watch::Sender<Conditions>,
    ) -> Self {
        Self(Arc::new(Inner {
            trail,
            state_directory,
            environment,
            conditions,
            recording: Mutex::new(()),
        }))
    }

    /// Says what the trail itself doubts, before anything is served. The engine is not asked: it may be frozen.
    pub async fn announce(&self) {
        self.acknowledge().await;
        for doubt in self.0.trail.doubts() {
            log::warn!("ledger of tags: {doubt}; {}", self.consequence());
        }
        self.publish();
    }

    /// Compares the ledger with the container as soon as the engine can be asked, then records acknowledgements as they
    /// come. Runs until dropped.
    pub async fn follow(self, engine: Engine) {
        let (mut compared, mut told) = (false, false);
        loop {
            if !compared
                && self.0.trail.is_open()
                && let Ok(observed) = engine.inspect_name().await
            {
                let recorded = self.compare(observed.as_ref()).await;
                compared = recorded.is_ok();
                if let Err(error) = recorded.map_err(|error| error.to_string())
                    && !std::mem::replace(&mut told, true)
                {
                    log::error!("a doubt about the ledger of tags is not recorded yet: {error}");
                }
            }
            self.acknowledge().await;
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Whether a deploy may begin.
    pub(super) async fn admit(&self) -> Result<(), StepError> {
        self.acknowledge().await;
        let doubts = self.0.trail.doubts();
        if doubts.is_empty() || self.0.environment == Environment::Dev {
            return Ok(());
        }
        let doubts: Vec<String> = doubts.iter().map(ToString::to_string).collect();
        Err(StepError::LedgerDoubted(format!(
            "the ledger of immutable tags is not to be believed: {}; to go on, an operator of the host runs \
             `deploy-agent acknowledge prod --reason TEXT`",
            doubts.join("; ")
        )))
    }

    /// The same, once it is known what is to be replaced.
    pub(super) async fn admit_over(&self, holder: Option<&Observed>) -> Result<(), StepError> {
        self.compare(holder).await?;
        self.admit().await
    }

    /// Says and records that the container is of an operation that the trail does not know.
    async fn compare(&self, observed: Option<&Observed>) -> Result<(), TrailError> {
        let Some((observed, operation)) =
            observed.and_then(|observed| Some((observed, observed.operation.clone()?)))
        else {
            return Ok(());
        };
        let _recording = self.0.recording.lock().await;
        let doubted = self.0.trail.doubts().into_iter().any(|doubt| {
            doubt.kind == DoubtKind::Older && doubt.container_operation.as_ref() == Some(&operation)
        });
        if doubted || self.is_in_trail(&operation).await {
            return Ok(());
        }
        let doubted = Event::LedgerDoubted(LedgerDoubted {
            container_id: observed.id.as_str().to_owned(),
            container_operation: operation,
            image: observed.image.clone(),
        });
        self.0.trail.append(doubted).await?;
        if let Some(doubt) = self.0.trail.doubts().last() {
            log::warn!("ledger of tags: {doubt}; {}", self.consequence());
        }
        self.publish();
        Ok(())
    }

    /// A trail that cannot be read knows nothing.
    async fn is_in_trail(&self, operation: &str) -> bool {
        let (trail, operation) = (self.0.trail.clone(), operation.to_owned());
        let read = tokio::task::spawn_blocking(move || trail.knows_operation(&operation)).await;
        match read {
            Ok(Ok(known)) => known,
            Ok(Err(error)) => {
                log::error!("audit trail: {error}");
                false
            }
            Err(_) => false,
        }
    }

    /// Records the acknowledgement that waits, if one does. What it does not cover stays doubted.
    async fn acknowledge(&self) {
        let directory = &self.0.state_directory;
        if !Acknowledgement::waits(directory) {
            return;
        }
        let _recording = self.0.recording.lock().await;
        match Acknowledgement::read(directory) {
            Ok(None) => return,
            Ok(Some(found)) => {
                if let Err(error) = self.record(found).await {
                    // It stays, to be recorded when the trail can be written.
                    log::error!("the acknowledgement could not be recorded: {error}");
                    return;
                }
            }
            Err(error) => log::error!("the acknowledgement is not taken: {error}"),
        }
        if let Err(error) = Acknowledgement::remove(directory) {
            log::error!("the acknowledgement could not be taken away: {error}");
        }
        self.publish();
    }

    async fn record(&self, found: Acknowledgement) -> Result<(), TrailError> {
        let mut doubts = self.0.trail.doubts();
        doubts.retain(|doubt| doubt.seq <= found.through_seq);
        if doubts.is_empty() {
            return Ok(());
        }
        for doubt in &doubts {
            let (user, reason) = (found.user, found.reason.escape_debug());
            log::warn!("ledger of tags: user {user} acknowledged: {doubt}; reason: {reason}");
        }
        let acknowledged = Event::LedgerAcknowledged(LedgerAcknowledged {
            reason: found.reason,
            user: found.user,
            through_seq: found.through_seq,
            doubts,
        });
        self.0.trail.append(acknowledged).await.map(drop)
    }

    fn publish(&self) {
        let doubts: Vec<String> = self
            .0
            .trail
            .doubts()
            .iter()
            .map(ToString::to_string)
            .collect();
        let ledger = (!doubts.is_empty()).then(|| {
            format!(
                "{}: ledger of tags: {}",
                self.consequence(),
                doubts.join("; ")
            )
        });
        self.0.conditions.send_if_modified(|conditions| {
            let changed = conditions.ledger != ledger;
            conditions.ledger = ledger;
            changed
        });
    }

    fn consequence(&self) -> &'static str {
        match self.0.environment {
            Environment::Prod => {
                "deploys are refused until `deploy-agent acknowledge prod --reason TEXT`"
            }
            Environment::Dev => {
                "deploys go on, `deploy-agent acknowledge dev --reason TEXT` ends this"
            }
        }
    }
}
