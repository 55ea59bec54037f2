//! What must stand in `examples/github-actions/deploy.yml`, and that its scripts are sound.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::host_files::{read, yaml};

const WORKFLOW: &str = "examples/github-actions/deploy.yml";

#[test]
fn the_workflow_may_do_nothing_else_and_keeps_its_secrets_out_of_scripts() {
    let workflow = yaml(WORKFLOW);
    assert_eq!(workflow["permissions"], json!({}));
    let concurrency = &workflow["concurrency"];
    assert_eq!(concurrency["group"], "deploy-${{ inputs.environment }}");
    assert_eq!(concurrency["cancel-in-progress"], false);
    assert_eq!(concurrency["queue"], "max");
    let triggers = workflow["on"].as_object().expect("triggers");
    assert_eq!(triggers.keys().collect::<Vec<_>>(), ["workflow_dispatch"]);
    let inputs = &triggers["workflow_dispatch"]["inputs"];
    assert_eq!(inputs["environment"]["options"], json!(["dev", "prod"]));
    assert_eq!(inputs["mode"]["options"], json!(["deploy", "smoke"]));
    let jobs = workflow["jobs"].as_object().expect("jobs");
    assert_eq!(jobs.len(), 1);
    let job = &jobs["deploy"];
    assert_eq!(job["environment"], "${{ inputs.environment }}");
    for step in job["steps"].as_array().expect("steps") {
        assert!(step.get("uses").is_none(), "no foreign action: {step}");
        let script = step["run"].as_str().expect("a script");
        // What a person typed would become part of the script.
        assert!(!script.contains("${{"), "{script}");
    }
    let text = read(WORKFLOW);
    // Longer than the agent's longest budget and Cloudflare's own bound.
    assert!(text.contains("--max-time 120"));
    let head = text.split("\nname:").next().unwrap_or_default();
    assert!(head.contains("deployment branches") && head.contains("required reviewers"));
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts_of_the_workflow() {
    for step in yaml(WORKFLOW)["jobs"]["deploy"]["steps"]
        .as_array()
        .expect("steps")
    {
        let script = step["run"].as_str().expect("a script");
        // The part that the first step writes down for the others is a script of its own.
        let inner = script.split("<<'SCRIPT'\n").nth(1).unwrap_or_default();
        let inner = inner.split("\nSCRIPT\n").next().unwrap_or_default();
        for script in [script, inner] {
            shellcheck(script);
        }
    }
}

fn shellcheck(script: &str) {
    let mut child = Command::new("shellcheck")
        // The file that a step reads is made by the first one.
        .args([
            "--shell",
            "bash",
            "--severity",
            "warning",
            "--exclude",
            "SC1091",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("shellcheck runs; ./tests/run installs it");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(script.as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
