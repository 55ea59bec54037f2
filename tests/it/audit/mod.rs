//! The audit trail by itself: what it refuses, what it survives, what it shows.

mod bounds;
mod chain;
mod directory;
mod disk;
mod recovery;
mod rotation;

use std::path::{Path, PathBuf};

use crate::audit_support::trail_open;
use deploy_agent::audit::{
    Event, Opened, OperationEnded, OperationKind, OperationStarted, Outcome, ROTATE_AT, Requester,
    RuntimeState, StepStarted, TagRan, Trail, TrailError, TrailOptions, Verdict, VerifyOptions,
    verify,
};

/// A state directory and a trail in it.
pub struct Desk {
    _scratch: tempfile::TempDir,
    pub state: PathBuf,
}

impl Desk {
    pub fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let state = scratch.path().join("state");
        Self {
            _scratch: scratch,
            state,
        }
    }

    pub fn open(&self) -> Result<(Trail, Opened), TrailError> {
        open_in(&self.state, ROTATE_AT)
    }

    pub fn opened(&self) -> (Trail, Opened) {
        self.open().expect("the trail opens")
    }

    pub fn file(&self) -> PathBuf {
        self.state.join("audit.jsonl")
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(self.file()).expect("a trail")
    }

    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// A trail of two whole deploys, closed in order.
    pub async fn with_two_deploys() -> Self {
        let desk = Self::new();
        let (trail, _) = desk.opened();
        for (operation, tag) in [("op-1", "1.0.0"), ("op-2", "1.0.1")] {
            deploy(&trail, operation, tag).await;
        }
        trail.close().await;
        desk
    }

    pub fn verdict(&self) -> (Verdict, String) {
        verdict_of(&self.state, None, false)
    }

    #[track_caller]
    pub fn assert_intact(&self) {
        let (verdict, said) = self.verdict();
        assert_eq!(verdict, Verdict::Intact, "{said}");
    }
}

pub fn open_in(state: &Path, rotate_at: u64) -> Result<(Trail, Opened), TrailError> {
    trail_open(TrailOptions {
        state_directory: state.to_owned(),
        environment: "dev".to_owned(),
        agent_version: "0.0.0".to_owned(),
        rotate_at,
    })
}

pub fn verdict_of(path: &Path, expect: Option<&str>, partial: bool) -> (Verdict, String) {
    let options = VerifyOptions {
        path: path.to_owned(),
        expect: expect.map(|anchor| anchor.parse().expect("an anchor")),
        partial,
    };
    let mut said = Vec::new();
    let verdict = verify(&options, &mut said).expect("readable");
    (verdict, String::from_utf8(said).expect("text"))
}

pub fn started(operation: &str, tag: &str) -> Event {
    Event::OperationStarted(OperationStarted {
        operation: operation.to_owned(),
        kind: OperationKind::Deploy,
        requester: Requester::default(),
        image: Some(format!("example/runtime:{tag}")),
        environment_asked: None,
        environment: "dev".to_owned(),
        queue_wait_ms: 0,
        settings: None,
    })
}

pub fn step(operation: &str, step: &'static str) -> Event {
    Event::StepStarted(StepStarted {
        operation: operation.to_owned(),
        step,
    })
}

pub fn tag_ran(operation: &str, tag: &str, digest: &str) -> Event {
    Event::TagRan(TagRan {
        operation: operation.to_owned(),
        reference: format!("example/runtime:{tag}"),
        digest: Some(digest.to_owned()),
        image_id: "sha256:1".to_owned(),
    })
}

pub fn ended(operation: &str) -> Event {
    Event::OperationEnded(Box::new(OperationEnded {
        operation: operation.to_owned(),
        kind: OperationKind::Deploy,
        outcome: Outcome::Succeeded,
        http: 200,
        failed_step: None,
        reason: None,
        state: RuntimeState::NewRunning,
        image: None,
        digest: None,
        image_id: None,
        container_id: None,
        duration_ms: 5,
        downtime_ms: Some(1),
        runtime_env: None,
        container_settings: None,
    }))
}

pub async fn deploy(trail: &Trail, operation: &str, tag: &str) {
    let events = [
        started(operation, tag),
        step(operation, "pull"),
        tag_ran(operation, tag, "sha256:d1"),
        ended(operation),
    ];
    for event in events {
        trail.append(event).await.expect("recorded");
    }
}
