//! `deploy-agent status`: what runs, since when, and how the last operation ended.

use clap::Args;

use super::output::{complain, harmless, say};
use super::running_agent::{RunningAgent, concluded};
use crate::audit::LastOperation;
use crate::exit::Exit;
use crate::local::{Command, Reply};
use crate::overview::{FreezeOverview, Overview};

/// How `status` tells.
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    agent: RunningAgent,
    /// One JSON object, for tools
    #[arg(long)]
    json: bool,
}

/// Tells what is the case.
pub(super) fn run(arguments: &StatusArguments) -> Exit {
    let overview = match arguments.agent.ask(&Command::Status {}) {
        Ok(Reply::Status { overview }) => overview,
        Ok(reply) => return concluded(reply),
        Err(exit) => return exit,
    };
    if !arguments.json {
        for (what, value) in rows(&overview) {
            say!("{what:<15} {}", harmless(&value));
        }
        return Exit::Ok;
    }
    match serde_json::to_string(&overview) {
        Ok(json) => {
            say!("{json}");
            Exit::Ok
        }
        Err(error) => {
            complain!("{error}");
            Exit::Failed
        }
    }
}

fn rows(overview: &Overview) -> Vec<(&'static str, String)> {
    let runtime = &overview.runtime;
    let mut rows = vec![
        (
            "environment",
            format!("{}, agent {}", overview.environment, overview.agent_version),
        ),
        ("runtime", runs(overview)),
    ];
    let mut optional = |what, value: Option<String>| rows.extend(value.map(|value| (what, value)));
    optional("image", runtime.image.clone());
    optional("revision", runtime.revision.clone());
    let started = match runtime.running {
        Some(true) => "since",
        Some(false) | None => "last start",
    };
    optional(started, runtime.started_at.clone());
    optional(
        "restarts",
        runtime
            .restarts
            .filter(|count| *count > 0)
            .map(|n| n.to_string()),
    );
    optional("activity", Some(overview.activity.clone()));
    optional("pulling", overview.pulling.clone());
    let waiting = overview.waiting;
    optional("waiting", (waiting > 0).then(|| waiting.to_string()));
    let none = || "none in the newest file of the trail".to_owned();
    let last = overview.last_operation.as_ref();
    optional("last operation", Some(last.map_or_else(none, ended)));
    optional("", last.and_then(|last| last.reason.clone()));
    optional(
        "freeze",
        Some(overview.freeze.as_ref().map_or("none".to_owned(), frozen)),
    );
    optional("signatures", Some(overview.signatures.clone()));
    let trouble = overview.trail.trouble.as_ref();
    optional(
        "audit trail",
        trouble.map(|why| format!("cannot be written, deploys are refused: {why}")),
    );
    optional("audit head", overview.trail.head.clone());
    for doubt in &overview.trail.doubts {
        optional("ledger of tags", Some(doubt.clone()));
    }
    for damage in &overview.trail.damage {
        optional("damage", Some(damage.clone()));
    }
    optional("engine", Some(engine(overview)));
    rows
}

fn runs(overview: &Overview) -> String {
    let runtime = &overview.runtime;
    let name = &runtime.container_name;
    let code = runtime.exit_code;
    let code = code.map_or(String::new(), |code| format!(", exit code {code}"));
    let is = match (runtime.running, &runtime.image) {
        (Some(true), _) => return format!("{name} is running"),
        (None, _) => return format!("whether {name} is running is unknown"),
        (Some(false), Some(_)) => "is not running",
        (Some(false), None) => "is not there",
    };
    let since = runtime.down_since.as_ref();
    let since = since.map_or(String::new(), |since| format!("; down since {since}"));
    let by = runtime.down_by.as_ref();
    let by = by.map_or(String::new(), |by| format!(": {by}"));
    format!("{name} {is}{code}{since}{by}")
}

fn ended(last: &LastOperation) -> String {
    let image = last.image.as_deref().unwrap_or_default();
    let what = format!("{} {image}", last.kind);
    let (what, outcome, at) = (what.trim_end(), &last.outcome, &last.ended_at);
    format!("{what} {outcome} at {at}, {}", last.operation)
}

fn frozen(freeze: &FreezeOverview) -> String {
    match (&freeze.until, &freeze.reason, &freeze.by) {
        (Some(until), Some(reason), Some(by)) => format!("until {until} by {by}: {reason}"),
        _ => format!(
            "deploys are refused: the freeze cannot be read: {}",
            freeze.unreadable.as_deref().unwrap_or_default()
        ),
    }
}

fn engine(overview: &Overview) -> String {
    let engine = &overview.engine;
    match (engine.answers, &engine.last_answer_at) {
        (true, _) => "answers".to_owned(),
        (false, Some(at)) => format!("does not answer since {at}"),
        (false, None) => "has not answered since the agent started".to_owned(),
    }
}
