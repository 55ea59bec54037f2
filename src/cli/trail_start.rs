//! The trail at a start: opened at once, or on a full disk as soon as there is room.

use tokio::sync::watch;

use crate::audit::{Fingerprints, Opened, ROTATE_AT, Readiness, Trail, TrailError, TrailOptions};
use crate::engine::Engine;
use crate::exit::Exit;
use crate::operation::{LedgerGuard, record_interrupted};
use crate::runtime::Conditions;
use crate::settings::Settings;

/// Opens the trail. A full disk refuses deploys and not the agent, which must answer and stop.
pub(super) fn open(settings: &Settings) -> Result<(Trail, Readiness), Exit> {
    let options = TrailOptions {
        state_directory: settings.state_directory.clone(),
        environment: settings.environment.as_str().to_owned(),
        agent_version: crate::VERSION.to_owned(),
        rotate_at: ROTATE_AT,
    };
    Trail::open_or_wait(options).map_err(|error| refused(settings, &error))
}

/// The key of the fingerprints, or a full disk on which there is none yet.
pub(super) fn fingerprints(settings: &Settings) -> Result<Fingerprints, Exit> {
    Fingerprints::open(&settings.state_directory).map_err(|error| refused(settings, &error))
}

fn refused(settings: &Settings, error: &TrailError) -> Exit {
    let directory = settings.state_directory.display();
    log::error!("STATE_DIRECTORY {directory}: {error}");
    match error {
        TrailError::Locked(_) => Exit::Locked,
        _ => Exit::Failed,
    }
}

/// What is done once the trail is open and before an operation may begin.
pub(super) struct Opening {
    pub(super) trail: Trail,
    pub(super) engine: Engine,
    pub(super) ledger: LedgerGuard,
}

impl Opening {
    /// Does it now, or when there is room.
    pub(super) async fn conclude(self, readiness: Readiness) {
        match readiness {
            Readiness::Open(opened) => self.opened(&opened).await,
            Readiness::Waiting(error, later) => {
                log::error!("the audit trail waits for room on the disk: {error}");
                tokio::spawn(async move {
                    // Without an answer the agent ends.
                    if let Ok(opened) = later.await {
                        self.opened(&opened).await;
                        self.trail.admit();
                    }
                });
            }
        }
    }

    async fn opened(&self, opened: &Opened) {
        if let Some(torn) = &opened.torn {
            log::warn!(
                "audit trail: a crash left {} bytes that are no whole record; they are kept in {}",
                torn.bytes,
                torn.file
            );
        }
        for problem in &opened.problems {
            log::error!("audit trail: {problem}");
        }
        log::info!(
            "audit trail: {} records, {} tags known, head {}",
            opened.seq,
            opened.ledger_tags,
            self.trail.head()
        );
        record_interrupted(&self.trail, &self.engine, opened).await;
        self.ledger.announce().await;
    }
}

/// Shows what is wrong with the trail among what systemd is told. Runs until the trail ends.
pub(super) async fn follow_trouble(trail: Trail, conditions: watch::Sender<Conditions>) {
    let mut trouble = trail.trouble();
    // Not held for longer than it is followed: the trail is free when the agent has let go of it.
    drop(trail);
    loop {
        let now = trouble.borrow_and_update().clone();
        conditions.send_modify(|conditions| conditions.trail = now);
        if trouble.changed().await.is_err() {
            return;
        }
    }
}
