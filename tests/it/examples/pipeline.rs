//! Runs the steps of a GitHub Actions workflow as a runner does: expressions filled in, one bash for each step, the
//! conditions of steps heeded. It knows the expressions that our workflow uses; any other fails the test.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{CLIENT_ID, CLIENT_SECRET, Said, run};

/// What a person chooses, and what the repository is set up with.
#[derive(Debug, Clone)]
pub struct Dispatch {
    pub environment: &'static str,
    pub tag: String,
    pub mode: &'static str,
    pub agent_url: String,
    /// In place of the workflow's own, which no test can pull from.
    pub repository: String,
}

/// The steps that ran, in order.
#[derive(Debug)]
pub struct Outcome {
    pub steps: Vec<(String, Said)>,
}

impl Outcome {
    pub fn succeeded(&self) -> bool {
        self.steps.iter().all(|(_, said)| said.code == Some(0))
    }

    /// The names of the steps that ran.
    pub fn ran(&self) -> Vec<&str> {
        self.steps.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The step that failed, and what it said.
    pub fn failure(&self) -> (&str, &str) {
        let failed = self.steps.iter().find(|(_, said)| said.code != Some(0));
        let (name, said) = failed.unwrap_or_else(|| panic!("nothing failed: {self:?}"));
        (name, &said.text)
    }
}

/// Runs the workflow's one job.
pub fn dispatch(workflow: &Value, dispatch: &Dispatch, directory: &Path) -> Outcome {
    let job = &workflow["jobs"]["deploy"];
    let temporary = directory.join("runner");
    // A runner is new each time.
    std::fs::remove_dir_all(&temporary).ok();
    std::fs::create_dir_all(&temporary).expect("made");
    let mut outcome = Outcome { steps: Vec::new() };
    for step in job["steps"].as_array().expect("steps") {
        let name = step["name"].as_str().expect("every step has a name");
        if !is_due(step, dispatch, &outcome) {
            continue;
        }
        let script = temporary.join("step.sh");
        std::fs::write(&script, step["run"].as_str().expect("a script")).expect("written");
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&script)
            .env_clear()
            .env("RUNNER_TEMP", &temporary);
        for environment in [&workflow["env"], &job["env"], &step["env"]] {
            command.envs(filled_in(environment, dispatch));
        }
        let said = run(&mut command, &directory.join("curl.log"));
        outcome.steps.push((name.to_owned(), said));
    }
    outcome
}

/// Whether a step runs: by default as long as nothing has failed.
fn is_due(step: &Value, dispatch: &Dispatch, so_far: &Outcome) -> bool {
    let deployed = || {
        let mut steps = so_far.steps.iter();
        steps.any(|(name, said)| name == "Deploy" && said.code == Some(0))
    };
    match step["if"].as_str() {
        None => so_far.succeeded(),
        Some(
            "${{ !cancelled() && inputs.mode == 'smoke' && steps.deploy.outcome == 'success' }}",
        ) => dispatch.mode == "smoke" && deployed(),
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
    let own = "ghcr.io/ceerkle/dreichor-trading/runtime:";
    let text = text.replace(own, &format!("{}:", dispatch.repository));
    let mut pieces = text.split("${{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").expect("an expression ends");
        filled.push_str(match name.trim() {
            "inputs.environment" => dispatch.environment,
            "inputs.tag" => &dispatch.tag,
            "inputs.mode" => dispatch.mode,
            "vars.DEPLOY_AGENT_URL" => &dispatch.agent_url,
            "secrets.CF_ACCESS_CLIENT_ID" => CLIENT_ID,
            "secrets.CF_ACCESS_CLIENT_SECRET" => CLIENT_SECRET,
            other => panic!("an expression that this test does not know: {other}"),
        });
        filled.push_str(rest);
    }
    filled
}
