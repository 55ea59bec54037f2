//! Runs a workflow by the real `act`, on this host and without a container.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::runner::{Dispatch, Outcome};
use super::{Said, root, run};

/// GitHub knows this key of `concurrency`; act 0.2.89 calls a file invalid that has it.
const UNKNOWN_TO_ACT: &str = "  queue: max\n";

/// act 0.2.89 does not wait for what a script said in its last moment: about one line in fifteen was lost.
const LATE_BASH: &str = "#!/bin/sh\n/bin/bash \"$@\"\ncode=$?\nsleep 0.15\nexit $code\n";

/// Runs the workflow's one job in a checkout of its own.
pub fn dispatch(dispatch: &Dispatch, directory: &Path) -> Outcome {
    let scratch = tempfile::tempdir().expect("a directory");
    let checkout = checkout(&scratch.path().join("checkout"), &dispatch.workflow());
    let home = scratch.path().join("home");
    std::fs::create_dir_all(home.join(".config/act")).expect("made");
    // Without the file act asks a question.
    std::fs::write(home.join(".config/act/actrc"), "").expect("written");
    let mut command = Command::new(root().join("target/tools/act/bin/act"));
    command
        .current_dir(checkout)
        .args(["workflow_dispatch", "--json", "--no-cache-server"])
        .args(["-P", "ubuntu-24.04=-self-hosted"])
        .args(["--actor", &dispatch.actor])
        .args(["--input", &format!("environment={}", dispatch.environment)])
        .args(["--input", &format!("tag={}", dispatch.tag)])
        .args(["--input", &format!("mode={}", dispatch.mode)])
        .args(["--var", &format!("DEPLOY_AGENT_URL={}", dispatch.agent_url)])
        .env_clear()
        .env("HOME", &home);
    for (name, value) in [
        ("CF_ACCESS_CLIENT_ID", &dispatch.client_id),
        ("CF_ACCESS_CLIENT_SECRET", &dispatch.client_secret),
    ] {
        // The value comes from act's own environment; an empty one would be asked for.
        let secret = if value.is_empty() {
            format!("{name}=")
        } else {
            name.to_owned()
        };
        command.args(["-s", &secret]).env(name, value);
    }
    let log = directory.join("curl.log");
    super::put_program(&log.with_extension("bin"), "bash", LATE_BASH);
    let said = run(&mut command, &log);
    let outcome = understood(&said.text);
    let secret = dispatch.client_secret.trim();
    assert!(
        secret.is_empty() || crate::harness::found_below(scratch.path(), secret).is_empty(),
        "act wrote the secret down"
    );
    assert_eq!(said.code == Some(0), outcome.succeeded(), "{}", said.text);
    outcome
}

/// A repository that holds the workflow and nothing else.
fn checkout(directory: &Path, workflow: &str) -> PathBuf {
    assert!(workflow.contains(UNKNOWN_TO_ACT));
    let workflows = directory.join(".github/workflows");
    std::fs::create_dir_all(&workflows).expect("made");
    let workflow = workflow.replace(UNKNOWN_TO_ACT, "");
    std::fs::write(workflows.join("deploy.yml"), workflow).expect("written");
    let origin = "https://github.com/ceerkle/dreichor-trading";
    let author = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    for words in [
        &["init", "--quiet"][..],
        &["remote", "add", "origin", origin],
        &["add", "--all"],
        &["commit", "--quiet", "--message=first"],
    ] {
        let mut git = Command::new("git");
        git.current_dir(directory).args(author).args(words);
        let done = git.status().expect("git runs; ./tests/run installs it");
        assert!(done.success(), "{words:?}");
    }
    directory.to_owned()
}

/// The steps out of what `act --json` says, a line for each thing that happens. What a script said last may come
/// after its result, so it goes by the step's name.
fn understood(text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for line in lines.filter(|line| line["stage"] == "Main") {
        let message = line["msg"].as_str().unwrap_or_default();
        let name = line["step"].as_str().expect("a step has a name").to_owned();
        match (line["command"].as_str(), line["stepResult"].as_str()) {
            (Some("summary"), _) => outcome.summary += line["content"].as_str().unwrap_or(message),
            (Some(command), _) => {
                let value = line["arg"].as_str().unwrap_or_default();
                outcome
                    .commands
                    .push((command.to_owned(), value.to_owned()));
                *said.entry(name).or_default() += line["raw"].as_str().unwrap_or(message);
            }
            (None, Some("skipped")) => {}
            (None, Some(result)) => {
                let (code, text) = (Some(i32::from(result != "success")), String::new());
                outcome.steps.push((name, Said { code, text }));
            }
            (None, None) if line["raw_output"] == true => {
                *said.entry(name).or_default() += message;
            }
            (None, None) => {}
        }
    }
    for (name, step) in &mut outcome.steps {
        step.text = said.remove(name).unwrap_or_default();
    }
    assert!(!outcome.steps.is_empty(), "act ran no step: {text}");
    outcome
}
