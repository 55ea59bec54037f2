//! What must hold after every operation, whatever went wrong during it.

use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::shown_as;
use crate::harness::{Agent, Answer, World, image_asked};

/// The label by which a container names the operation that made it.
const OPERATION: &str = "dreichor.deploy-agent.operation";
/// The steps before the old container is touched.
const UNTOUCHING: [&str; 3] = ["preflight", "pull", "verify"];

/// What an operation was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Deploy this tag.
    Deploy(&'a str),
    /// The same, where the container may have ended since for a reason of its own.
    DeployThatMayEnd(&'a str),
    Stop,
}

/// Which container is there, since when it runs, and whether.
pub fn identity(shown: Option<&Value>) -> Option<Value> {
    shown.map(|shown| {
        json!([
            shown["Id"],
            shown["State"]["StartedAt"],
            shown["State"]["Running"]
        ])
    })
}

/// What does not hold after an answer; nothing if all of it does. `old` is what was there before, if that stays as it
/// is by itself.
pub fn broken(
    world: &World,
    asked: Asked<'_>,
    answer: &Answer,
    old: Option<&Option<Value>>,
) -> Result<(), String> {
    let must = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => Err(format!("{what}: {} {}", answer.status, answer.body)),
    };
    let shown = world.container();
    must(world.count() <= 1, "one container at most")?;
    let outcome = last_outcome(world);
    must(
        outcome["http"] == answer.status,
        "the trail has the answer's code",
    )?;
    must(
        (outcome["outcome"] == "succeeded") == (answer.status == 200),
        "the trail has the answer's outcome",
    )?;
    if answer.status == 200 {
        match asked {
            Asked::Deploy(tag) | Asked::DeployThatMayEnd(tag) => {
                let shown = shown.clone().unwrap_or_default();
                let image = world.image(tag);
                must(image_asked(&shown) == image, "200: the image asked for")?;
                must(
                    asked_may_end(asked) || shown["State"]["Status"] == "running",
                    "200: it runs",
                )?;
                let made_by = &shown["Config"]["Labels"][OPERATION];
                must(*made_by == outcome["operation"], "200: made by this deploy")?;
            }
            Asked::Stop => must(shown.is_none(), "200: no container")?,
        }
    } else {
        let reason = answer.reason();
        let step = outcome["failed_step"].as_str().unwrap_or_default();
        must(
            reason.starts_with(&format!("{step} failed: ")),
            "the reason names the step",
        )?;
        must(outcome["reason"] == reason, "the trail has the reason")?;
        if UNTOUCHING.contains(&step)
            && let Some(old) = old
        {
            must(
                identity(shown.as_ref()) == *old,
                "nothing before stop touches the old container",
            )?;
        }
    }
    if asked_may_end(asked) && outcome["state"] == "new_running" {
        // It ran when the agent looked.
        return Ok(());
    }
    told_truly(world, shown.as_ref(), &outcome, old.is_some())
}

const fn asked_may_end(asked: Asked<'_>) -> bool {
    matches!(asked, Asked::DeployThatMayEnd(_))
}

/// The state that the trail tells is the one that the engine shows, or it says that it does not know.
fn told_truly(
    world: &World,
    shown: Option<&Value>,
    outcome: &Value,
    still: bool,
) -> Result<(), String> {
    let told = outcome["state"].as_str().unwrap_or_default();
    let truth = state(shown, &outcome["operation"]);
    let untouched = told == "untouched"
        && UNTOUCHING.contains(&outcome["failed_step"].as_str().unwrap_or_default());
    // Somebody else's removal may have ended since the agent looked.
    let removed = !still && told == "old_stopped" && truth == "nothing";
    let holds = told == truth || told == "unknown" || untouched || removed;
    // What ends or begins by itself may have done so between the agent's look and this one.
    let again = || state(world.container().as_ref(), &outcome["operation"]) == told;
    if holds || again() {
        return Ok(());
    }
    let shown = shown.map(shown_as).unwrap_or_default();
    Err(format!(
        "the trail says {told}, the engine {truth} ({shown}): {outcome}"
    ))
}

/// The trail's word for what an inspect shows, seen from one operation.
pub fn state(shown: Option<&Value>, operation: &Value) -> &'static str {
    let Some(shown) = shown else {
        return "nothing";
    };
    let new = shown["Config"]["Labels"][OPERATION] == *operation;
    let status = shown["State"]["Status"].as_str().unwrap_or_default();
    let may_run = ["running", "paused", "restarting"].contains(&status);
    let started = shown["State"]["StartedAt"] != "0001-01-01T00:00:00Z";
    match (new, may_run, started) {
        (false, true, _) => "old_running",
        (false, false, _) => "old_stopped",
        (true, true, _) => "new_running",
        (true, false, true) => "new_exited",
        (true, false, false) => "new_created",
    }
}

/// Within its bound the status shows what the engine shows.
pub fn agrees(world: &World, agent: &Agent) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(8);
    loop {
        let up = world
            .container()
            .filter(|shown| shown["State"]["Status"] == "running");
        let image = up.as_ref().map_or(Value::Null, image_asked);
        let answer = agent.status_answer();
        if answer.status == 200 {
            let status = answer.json();
            if status["running"] == up.is_some() && status["image"] == image {
                return Ok(());
            }
        }
        if Instant::now() > end {
            return Err(format!(
                "the status does not agree with the engine: {} {image}",
                answer.body
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The newest outcome, from the trail's end: it holds thousands.
pub fn last_outcome(world: &World) -> Value {
    let mut file = std::fs::File::open(world.path("state/audit.jsonl")).expect("a trail");
    let length = file.metadata().expect("a length").len();
    file.seek(SeekFrom::Start(length.saturating_sub(64 * 1024)))
        .expect("seekable");
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("readable");
    let text = String::from_utf8_lossy(&bytes);
    let outcome = text
        .lines()
        .rev()
        .find(|line| line.contains("\"operation_ended\""));
    serde_json::from_str(outcome.expect("an outcome")).expect("JSON")
}
