//! Runs the steps of a workflow as a runner does: expressions filled in, one shell for each step, the conditions of
//! steps heeded. It knows the expressions that our workflow uses; any other fails the test.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::run;
use super::runner::{Dispatch, Outcome};

/// Runs the workflow's one job.
pub fn dispatch(dispatch: &Dispatch, directory: &Path) -> Outcome {
    let workflow: Value = serde_saphyr::from_str(&dispatch.workflow()).expect("YAML");
    let job = &workflow["jobs"]["deploy"];
    let temporary = directory.join("runner");
    // A runner is new each time.
    std::fs::remove_dir_all(&temporary).ok();
    std::fs::create_dir_all(&temporary).expect("made");
    let mut outcome = Outcome::default();
    for step in job["steps"].as_array().expect("steps") {
        let name = step["name"].as_str().expect("every step has a name");
        if !is_due(step, dispatch, &outcome) {
            continue;
        }
        let script = temporary.join("step.sh");
        let summary = temporary.join("summary.md");
        std::fs::write(&script, step["run"].as_str().expect("a script")).expect("written");
        std::fs::write(&summary, "").expect("written");
        let mut command = shell(&workflow);
        command
            .arg(&script)
            .env_clear()
            .env("RUNNER_TEMP", &temporary)
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("GITHUB_RUN_ID", "4711")
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_ACTOR", &dispatch.actor)
            .env("GITHUB_REPOSITORY", "ceerkle/dreichor-trading");
        for environment in [&workflow["env"], &job["env"], &step["env"]] {
            command.envs(filled_in(environment, dispatch));
        }
        let said = run(&mut command, &directory.join("curl.log"));
        outcome
            .commands
            .extend(said.text.lines().filter_map(command_in));
        outcome.summary += &std::fs::read_to_string(&summary).expect("readable");
        outcome.steps.push((name.to_owned(), said));
    }
    outcome
}

/// Only a shell that is named gets `pipefail`.
fn shell(workflow: &Value) -> Command {
    let mut command = Command::new("bash");
    match workflow["defaults"]["run"]["shell"].as_str() {
        Some("bash") => command.args(["--noprofile", "--norc", "-eo", "pipefail"]),
        None => command.arg("-e"),
        Some(other) => panic!("a shell that this test does not know: {other}"),
    };
    command
}

/// What GitHub's runner takes for a command: `::name::value` at the line's start, `##[name]value` anywhere.
fn command_in(line: &str) -> Option<(String, String)> {
    let command = match line.trim().strip_prefix("::") {
        Some(rest) => rest.split_once("::"),
        None => line
            .split_once("##[")
            .and_then(|(_, rest)| rest.split_once(']')),
    };
    let (name, value) = command?;
    let mut value = value.to_owned();
    for (escaped, character) in [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")] {
        value = value.replace(escaped, character);
    }
    Some((name.to_owned(), value))
}

/// Whether a step runs: by default as long as nothing has failed.
fn is_due(step: &Value, dispatch: &Dispatch, so_far: &Outcome) -> bool {
    let deploy = so_far.steps.iter().find(|(name, _)| name == "Deploy");
    let deployed = deploy.map(|(_, said)| said.code == Some(0));
    match step["if"].as_str() {
        None => so_far.succeeded(),
        Some("${{ !cancelled() && steps.deploy.outcome == 'failure' }}") => deployed == Some(false),
        Some(
            "${{ !cancelled() && inputs.mode == 'smoke' && steps.deploy.outcome == 'success' }}",
        ) => dispatch.mode == "smoke" && deployed == Some(true),
        Some(other) => panic!("a condition that this test does not know: {other}"),
    }
}

fn filled_in(environment: &Value, dispatch: &Dispatch) -> BTreeMap<String, String> {
    let entries = environment.as_object().into_iter().flatten();
    let filled = entries.map(|(name, value)| {
        let text = value.as_str().expect("a text");
        (name.clone(), expression(text, dispatch))
    });
    filled.collect()
}

/// Fills in `${{ … }}`.
fn expression(text: &str, dispatch: &Dispatch) -> String {
    let mut pieces = text.split("${{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").expect("an expression ends");
        filled.push_str(match name.trim() {
            "inputs.environment" => dispatch.environment,
            "inputs.tag" => &dispatch.tag,
            "inputs.mode" => dispatch.mode,
            "vars.DEPLOY_AGENT_URL" => &dispatch.agent_url,
            "secrets.CF_ACCESS_CLIENT_ID" => &dispatch.client_id,
            "secrets.CF_ACCESS_CLIENT_SECRET" => &dispatch.client_secret,
            other => panic!("an expression that this test does not know: {other}"),
        });
        filled.push_str(rest);
    }
    filled
}
