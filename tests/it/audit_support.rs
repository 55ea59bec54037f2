//! What the tests of the trail share: a directory that goes away, a trail in it, events.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use deploy_agent::audit::*;

/// A directory of mode 0700 that goes away with its value.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("audit-{}-{n}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }

    pub fn newest(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.newest()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    pub fn events(&self) -> Vec<String> {
        let event = |line: &String| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["event"].as_str().unwrap().to_owned()
        };
        self.lines().iter().map(event).collect()
    }

    /// A copy of all files, for a test to spoil.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        for entry in fs::read_dir(&self.0).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.0.join(entry.file_name())).unwrap();
        }
        copy
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Opens a trail as an agent does. Tests start processes in other threads; between fork and exec such a child holds a
/// copy of every lock of this process, so "locked" is only believed when it stays.
pub fn trail_open(options: TrailOptions) -> Result<(Trail, Opened), TrailError> {
    for _ in 0..40 {
        match Trail::open(options.clone()) {
            Err(TrailError::Locked(_)) => std::thread::sleep(std::time::Duration::from_millis(25)),
            other => return other,
        }
    }
    Trail::open(options)
}

pub fn options(directory: &Path) -> TrailOptions {
    TrailOptions {
        state_directory: directory.to_owned(),
        environment: "dev".to_owned(),
        agent_version: "0.1.0".to_owned(),
        rotate_at: ROTATE_AT,
    }
}

pub fn open(dir: &Dir) -> (Trail, Opened) {
    trail_open(options(&dir.0)).unwrap()
}

pub fn started(operation: &str) -> Event {
    Event::OperationStarted(OperationStarted {
        operation: operation.to_owned(),
        kind: OperationKind::Deploy,
        requester: Requester {
            client_id: Some("ci.access".to_owned()),
            ..Requester::default()
        },
        image: Some("ghcr.io/ceerkle/dreichor-trading/runtime:v1".to_owned()),
        environment_asked: Some("dev".to_owned()),
        environment: "dev".to_owned(),
        queue_wait_ms: 3,
        settings: None,
    })
}

pub fn step(operation: &str, step: &'static str) -> Event {
    Event::StepStarted(StepStarted {
        operation: operation.to_owned(),
        step,
    })
}

pub fn stepped(operation: &str, step: &'static str, outcome: Outcome) -> Event {
    Event::StepEnded(StepEnded {
        operation: operation.to_owned(),
        step,
        outcome,
        duration_ms: 5,
        detail: None,
    })
}

pub fn ended(operation: &str, outcome: Outcome) -> OperationEnded {
    OperationEnded {
        operation: operation.to_owned(),
        kind: OperationKind::Deploy,
        outcome,
        http: if outcome == Outcome::Succeeded {
            200
        } else {
            500
        },
        failed_step: (outcome != Outcome::Succeeded).then_some("start"),
        reason: (outcome != Outcome::Succeeded).then(|| "the container did not start".to_owned()),
        state: RuntimeState::NewRunning,
        image: Some("ghcr.io/ceerkle/dreichor-trading/runtime:v1".to_owned()),
        digest: Some(format!("sha256:{}", "ab".repeat(32))),
        image_id: Some(format!("sha256:{}", "cd".repeat(32))),
        container_id: Some("e".repeat(64)),
        duration_ms: 2500,
        downtime_ms: Some(1200),
        runtime_env: None,
        container_settings: None,
    }
}

pub fn end(operation: &str, outcome: Outcome) -> Event {
    Event::OperationEnded(Box::new(ended(operation, outcome)))
}

pub fn tag_ran(operation: &str, reference: &str, image_id: &str) -> Event {
    Event::TagRan(TagRan {
        operation: operation.to_owned(),
        reference: reference.to_owned(),
        digest: Some(format!("sha256:{}", "ab".repeat(32))),
        image_id: image_id.to_owned(),
    })
}

/// Opens, appends and closes.
pub async fn life(dir: &Dir, events: Vec<Event>) -> Anchor {
    let (trail, _) = open(dir);
    for event in events {
        trail.append(event).await.unwrap();
    }
    trail.close().await;
    trail.head()
}

pub fn verified(path: &Path, expect: Option<&Anchor>, partial: bool) -> (Verdict, String) {
    let options = VerifyOptions {
        path: path.to_owned(),
        expect: expect.map(|receipt| receipt.to_string().parse().unwrap()),
        partial,
    };
    let mut out = Vec::new();
    let verdict = verify(&options, &mut out).unwrap();
    (verdict, String::from_utf8(out).unwrap())
}
