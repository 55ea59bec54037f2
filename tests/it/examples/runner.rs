//! Runs the steps of `examples/deploy.yml` as GitHub's runner does.

use std::process::Command;

use serde_json::Value;

use super::{path_with, watched_curl};
use crate::harness::{CLIENT_ID, CLIENT_SECRET, World};
use crate::host_files::yaml;

pub const FILE: &str = "examples/deploy.yml";
/// What the runner puts before a step with `shell: bash`.
const SHELL: [&str; 5] = ["--noprofile", "--norc", "-e", "-o", "pipefail"];

/// One manual dispatch.
pub struct Dispatch<'a> {
    pub environment: &'a str,
    pub tag: &'a str,
    pub mode: &'a str,
    pub port: u16,
}

/// How it ended: the name of the step that failed, if one did, and what all steps said.
#[derive(Debug)]
pub struct Ended {
    failed: Option<String>,
    said: String,
}

impl Dispatch<'_> {
    /// An expression of the file, as GitHub would fill it in. One that is not known here fails the test.
    fn expression(&self, expression: &str) -> String {
        match expression {
            "inputs.environment" => self.environment.to_owned(),
            "inputs.tag" => self.tag.to_owned(),
            "inputs.mode" => self.mode.to_owned(),
            "vars.DEPLOY_URL" => format!("http://127.0.0.1:{}", self.port),
            "secrets.CF_ACCESS_CLIENT_ID" => CLIENT_ID.to_owned(),
            "secrets.CF_ACCESS_CLIENT_SECRET" => CLIENT_SECRET.to_owned(),
            other => panic!("{FILE} uses ${{{{ {other} }}}}"),
        }
    }

    fn filled_in(&self, text: &str) -> String {
        let mut parts = text.split("${{");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (expression, rest) = part.split_once("}}").expect("an expression ends");
            filled += &self.expression(expression.trim());
            filled += rest;
        }
        filled
    }

    fn wanted(&self, step: &Value) -> bool {
        match step["if"].as_str() {
            None => true,
            Some("inputs.mode == 'smoke'") => self.mode == "smoke",
            Some(other) => panic!("{FILE} has if: {other}"),
        }
    }

    /// Runs the steps in order until one fails.
    pub fn run(&self, world: &World) -> Ended {
        let job = &yaml(FILE)["jobs"]["deploy"];
        assert_eq!(job["defaults"]["run"]["shell"], "bash");
        let scratch = tempfile::tempdir().expect("a directory");
        let mut said = String::new();
        for step in job["steps"].as_array().expect("steps") {
            if !self.wanted(step) {
                continue;
            }
            let script = scratch.path().join("step.sh");
            std::fs::write(&script, step["run"].as_str().expect("a script")).expect("written");
            let mut shell = Command::new("bash");
            shell.args(SHELL).arg(&script).env_clear();
            for (name, value) in job["env"].as_object().expect("variables") {
                let mut value = self.filled_in(value.as_str().expect("text"));
                // The registry of the test stands for the one of the file.
                value = value.replace(
                    "ghcr.io/ceerkle/dreichor-trading/runtime",
                    &world.repository,
                );
                shell.env(name, value);
            }
            shell
                .env("PATH", path_with(&watched_curl(world)))
                .env("RUNNER_TEMP", scratch.path());
            let output = shell.output().expect("bash runs");
            said += &String::from_utf8_lossy(&output.stdout);
            said += &String::from_utf8_lossy(&output.stderr);
            assert!(!said.contains(CLIENT_SECRET), "{said}");
            if !output.status.success() {
                let failed = step["name"].as_str().map(str::to_owned);
                return Ended { failed, said };
            }
        }
        Ended { failed: None, said }
    }
}

impl Ended {
    pub fn good(self) -> String {
        assert_eq!(self.failed, None, "{}", self.said);
        self.said
    }

    /// Failed at this step, and said this in the form that GitHub shows on the run's page.
    pub fn failed_at(self, step: &str, words: &[&str]) {
        assert_eq!(self.failed.as_deref(), Some(step), "{}", self.said);
        let shown = self.said.lines().find(|line| line.starts_with("::error::"));
        let shown = shown.unwrap_or_else(|| panic!("no error is shown: {}", self.said));
        for word in words {
            assert!(shown.contains(word), "{word}: {shown}");
        }
    }
}
