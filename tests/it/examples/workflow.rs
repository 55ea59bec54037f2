//! `examples/github-actions/deploy.yml`, run against a real agent, and against what is none.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::pipeline::{Dispatch, Outcome, dispatch};
use super::stub::{self, Canned, JSON, LOGIN_PAGE};
use super::world;
use crate::harness::{self, Agent, World, free_port};
use crate::host_files::{read, yaml};

const LOOK: &str = "Look before anything is touched";
const WORKFLOW: &str = "examples/github-actions/deploy.yml";

fn asked(world: &World, mode: &'static str, tag: &str) -> Dispatch {
    Dispatch {
        environment: "dev",
        tag: tag.to_owned(),
        mode,
        agent_url: format!("http://127.0.0.1:{}", world.port),
        repository: world.repository.clone(),
    }
}

fn run(asked: &Dispatch, directory: &Path) -> Outcome {
    dispatch(&yaml(WORKFLOW), asked, directory)
}

#[test]
fn the_workflow_may_do_nothing_else_and_keeps_its_secrets_out_of_scripts() {
    let workflow = yaml(WORKFLOW);
    assert_eq!(workflow["permissions"], json!({}));
    assert_eq!(workflow["concurrency"]["cancel-in-progress"], false);
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
    // Longer than the agent's longest budget and Cloudflare's own bound.
    assert!(read(WORKFLOW).contains("--max-time 120"));
}

fn deploys_verifies_and_smokes(world: &World) {
    let agent = world.agent();
    let outcome = run(&asked(world, "deploy", "1.0.0"), world.directory.path());
    assert!(outcome.succeeded(), "{outcome:?}");
    assert_eq!(outcome.ran(), ["Prepare", LOOK, "Deploy", "Verify"]);
    assert_eq!(agent.status()["image"], world.image("1.0.0"));
    let outcome = run(&asked(world, "smoke", "1.0.1"), world.directory.path());
    assert!(outcome.succeeded(), "{outcome:?}");
    assert_eq!(outcome.ran().last(), Some(&"Stop after a smoke deploy"));
    assert_eq!(agent.status()["running"], false);
    assert_eq!(world.count(), 0);
    let asked_for = &world.events("operation_started")[0]["environment_asked"];
    assert_eq!(asked_for, "dev");
}

#[test]
fn the_workflow_deploys_verifies_and_smokes_on_the_fake_engine() {
    deploys_verifies_and_smokes(&world(harness::Kind::Fake));
}

#[test]
fn the_workflow_deploys_verifies_and_smokes_on_the_real_engine() {
    deploys_verifies_and_smokes(&world(harness::Kind::Real));
}

/// Fails at this step, saying so.
fn fails(world: &World, asked: &Dispatch, step: &str, says: &[&str]) {
    let outcome = run(asked, world.directory.path());
    let (failed, said) = outcome.failure();
    assert_eq!(failed, step, "{said}");
    for word in says.iter().chain(&["::error::"]) {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn every_refusal_of_the_agent_fails_the_workflow_with_its_reason() {
    let world = world(harness::Kind::Fake);
    let agent: Agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let old = world.id();
    let refused = |tag: &str, says: &[&str]| {
        for mode in ["deploy", "smoke"] {
            fails(&world, &asked(&world, mode, tag), "Deploy", says);
            assert_eq!(
                world.id(),
                old,
                "nothing was deployed, so nothing is stopped"
            );
        }
    };
    refused("no tag", &["422", "the tag must be"]);
    refused("9.9.9", &["502", "pull failed"]);
    world.push("1.0.0", &["run", "moved"]);
    refused("1.0.0", &["409", "immutable"]);
    world.write_runtime_env("EXECUTION_PLANE=live\n");
    refused("1.0.1", &["500", "preflight failed", "EXECUTION_PLANE"]);
    world.write_runtime_env("EXECUTION_PLANE=paper\n");
    world.fake.as_ref().expect("the fake").stop_listening();
    // The view is still fresh at first: the deploy is refused, later already the look.
    let asked = asked(&world, "deploy", "1.0.1");
    let outcome = run(&asked, world.directory.path());
    assert!(outcome.failure().1.contains(": 503 "), "{outcome:?}");
    agent.status_until(Duration::from_secs(10), |answer| answer.status == 503);
    fails(&world, &asked, LOOK, &["503", "last seen"]);
}

#[test]
fn a_workflow_for_another_environment_is_found_out() {
    let world = world(harness::Kind::Fake);
    let _agent = world.agent();
    let mut wrong = asked(&world, "deploy", "1.0.0");
    wrong.environment = "prod";
    fails(&world, &wrong, LOOK, &["another environment"]);
    assert_eq!(world.events("operation_started").len(), 0);
    wrong.mode = "smoke";
    fails(&world, &wrong, "Prepare", &["dev only"]);
    wrong.mode = "deploy";
    wrong.agent_url = "http://deploy-prod.example.com".to_owned();
    fails(&world, &wrong, "Prepare", &["https://"]);
}

#[test]
fn what_is_not_the_agent_is_recognised() {
    let world = world(harness::Kind::Fake);
    let mut asked = asked(&world, "deploy", "1.0.0");
    // Nobody listens.
    asked.agent_url = format!("http://127.0.0.1:{}", free_port());
    fails(&world, &asked, LOOK, &["no answer"]);
    let page = || LOGIN_PAGE.to_owned();
    let cases: [(&str, &str, String, &[&str]); 6] = [
        ("200 OK", "text/html", page(), &["no JSON", "login page"]),
        ("302 Found", "text/html", page(), &["302", "redirect"]),
        ("403 Forbidden", "text/html", page(), &["403", "no JSON"]),
        (
            "524 A Timeout",
            "text/html",
            page(),
            &["524", "read the status"],
        ),
        ("200 OK", JSON, "[]".to_owned(), &["no JSON"]),
        ("200 OK", JSON, String::new(), &["no JSON"]),
    ];
    let at = |answers| format!("http://127.0.0.1:{}", stub::serve(answers));
    for (status, kind, body, says) in cases {
        asked.agent_url = at(vec![("/v1/status", status, kind, body.clone())]);
        fails(&world, &asked, LOOK, says);
        asked.agent_url = at(vec![agents_status(), ("/v1/deploy", status, kind, body)]);
        fails(&world, &asked, "Deploy", says);
    }
    asked.agent_url = at(vec![agents_status()]);
    fails(&world, &asked, "Deploy", &["no answer", "read the status"]);
    let other = json!({"status": "deployed", "container_name": "x-dev", "image": "x:1", "environment": "dev"});
    let other = ("/v1/deploy", "200 OK", JSON, other.to_string());
    asked.agent_url = at(vec![agents_status(), other]);
    fails(&world, &asked, "Deploy", &["deployed something else"]);
}

/// What an agent of dev says when nothing runs.
fn agents_status() -> Canned {
    let body = json!({"container_name": "x-dev", "running": false});
    ("/v1/status", "200 OK", JSON, body.to_string())
}

#[test]
fn a_status_that_shows_something_else_fails_the_workflow_and_a_smoke_run_still_stops() {
    let world = world(harness::Kind::Fake);
    let deployed = json!({
        "status": "deployed", "container_name": "x-dev", "image": world.image("1.0.0"), "environment": "dev",
    });
    let shown = |status: Value| {
        vec![
            ("/v1/deploy", "200 OK", JSON, deployed.to_string()),
            ("/v1/status", "200 OK", JSON, status.to_string()),
            (
                "/v1/stop",
                "200 OK",
                JSON,
                json!({"status": "stopped", "container_name": "x-dev"}).to_string(),
            ),
        ]
    };
    for status in [
        json!({"container_name": "x-dev", "running": false}),
        json!({"container_name": "x-dev", "running": true, "image": world.image("0.9.0")}),
    ] {
        let mut asked = asked(&world, "smoke", "1.0.0");
        asked.agent_url = format!("http://127.0.0.1:{}", stub::serve(shown(status)));
        let outcome = run(&asked, world.directory.path());
        let (step, said) = outcome.failure();
        assert_eq!(step, "Verify");
        assert!(said.contains("the status shows something else"), "{said}");
        assert_eq!(outcome.ran().last(), Some(&"Stop after a smoke deploy"));
    }
}
