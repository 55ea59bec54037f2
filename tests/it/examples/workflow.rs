//! The steps of `examples/deploy.yml`, run as GitHub's runner runs them, against real agents and stand-ins.

use std::time::Duration;

use super::runner::{Dispatch, FILE};
use super::stand_in::{self, Script, StandIn};
use super::{agent_with_token, assert_that_no_secret_was_an_argument, engine_goes_away};
use crate::harness::{Kind, World, free_port};
use crate::host_files::yaml;

fn dev<'a>(tag: &'a str, mode: &'a str, port: u16) -> Dispatch<'a> {
    Dispatch {
        environment: "dev",
        tag,
        mode,
        port,
    }
}

const CHECK: &str = "Check what is asked for";

fn deploys_and_smoke_runs(kind: Kind) {
    let (world, agent) = agent_with_token(kind);
    let said = dev("1.0.0", "deploy", agent.port).run(&world).good();
    assert!(
        said.contains("\"deployed\"") && said.contains("\"running\":true"),
        "{said}"
    );
    world.push("1.0.1", &["run"]);
    dev("1.0.1", "smoke", agent.port).run(&world).good();
    assert!(
        world.container().is_none(),
        "a smoke run leaves nothing running"
    );
    assert_that_no_secret_was_an_argument(&world);
}

#[test]
fn the_workflow_deploys_and_smoke_runs_on_the_fake_engine() {
    deploys_and_smoke_runs(Kind::Fake);
}

#[test]
fn the_workflow_deploys_and_smoke_runs_on_the_real_engine() {
    deploys_and_smoke_runs(Kind::Real);
}

#[test]
fn every_refusal_of_the_agent_fails_the_workflow_with_its_reason() {
    let (world, agent) = agent_with_token(Kind::Fake);
    let port = agent.port;
    dev("1.0.0", "deploy", port).run(&world).good();
    dev("9.9.9", "deploy", port)
        .run(&world)
        .failed_at("Deploy", &["502: ", "pull"]);
    dev("not:a-tag", "deploy", port)
        .run(&world)
        .failed_at("Deploy", &["422: ", "tag"]);
    world.push_spec(
        "1.0.0",
        dreichor_test_support::images::ImageSpec::mode(&["run"]).label("moved", "yes"),
    );
    dev("1.0.0", "deploy", port)
        .run(&world)
        .failed_at("Deploy", &["409: ", "1.0.0"]);
    world.push("2.0.0", &["crash"]);
    dev("2.0.0", "smoke", port)
        .run(&world)
        .failed_at("Deploy", &["500: "]);
    engine_goes_away(&world);
    agent.status_until_refused(Duration::from_secs(10));
    dev("1.0.0", "deploy", port)
        .run(&world)
        .failed_at(CHECK, &["503: "]);
    drop(agent);
    dev("1.0.0", "deploy", port)
        .run(&world)
        .failed_at(CHECK, &["no answer"]);
}

#[test]
fn what_is_not_the_agents_answer_fails_the_workflow_and_is_named() {
    let world = World::new(Kind::Fake);
    let pages: [(Script, &str); 2] = [(stand_in::login_page, "200"), (stand_in::redirect, "302")];
    for (page, code) in pages {
        let server = StandIn::start(page);
        let ended = dev("1.0.0", "deploy", server.port).run(&world);
        ended.failed_at(CHECK, &[code, "no JSON", "login page"]);
        assert_eq!(
            server.seen(),
            ["GET /v1/status HTTP/1.1"],
            "nothing is deployed"
        );
    }
    dev("1.0.0", "deploy", free_port())
        .run(&world)
        .failed_at(CHECK, &["no answer"]);
}

#[test]
fn a_status_that_shows_another_image_fails_the_workflow() {
    let mut world = World::new(Kind::Fake);
    world.repository = "ghcr.io/ceerkle/dreichor-trading/runtime".into();
    let server = StandIn::start(stand_in::another_image);
    let ended = dev("1.0.0", "smoke", server.port).run(&world);
    ended.failed_at("Verify", &["does not show", "1.0.0"]);
    assert!(!server.seen().iter().any(|seen| seen.contains("/v1/stop")));
}

#[test]
fn smoke_on_prod_and_the_agent_of_another_environment_are_refused_before_anything_is_asked_for() {
    let world = World::new(Kind::Fake);
    let server = StandIn::start(stand_in::another_image);
    let mut prod = dev("1.0.0", "smoke", server.port);
    prod.environment = "prod";
    prod.run(&world).failed_at(CHECK, &["dev only"]);
    assert_eq!(server.seen(), [""; 0], "nothing is asked");
    prod.mode = "deploy";
    prod.run(&world)
        .failed_at(CHECK, &["is not the agent of prod"]);
    assert_eq!(server.seen(), ["GET /v1/status HTTP/1.1"]);
}

#[test]
fn the_workflow_runs_by_hand_one_at_a_time_without_rights_and_without_foreign_actions() {
    let workflow = yaml(FILE);
    let job = &workflow["jobs"]["deploy"];
    assert_eq!(workflow["permissions"], serde_json::json!({}));
    let triggers: Vec<_> = workflow["on"]
        .as_object()
        .expect("triggers")
        .keys()
        .collect();
    assert_eq!(triggers, ["workflow_dispatch"]);
    assert_eq!(
        workflow["concurrency"]["group"],
        "deploy-${{ inputs.environment }}"
    );
    assert_eq!(workflow["concurrency"]["cancel-in-progress"], false);
    assert_eq!(
        job["environment"], "${{ inputs.environment }}",
        "each environment has its own secrets"
    );
    let inputs = workflow["on"]["workflow_dispatch"]["inputs"]
        .as_object()
        .expect("inputs");
    assert_eq!(
        inputs.keys().collect::<Vec<_>>(),
        ["environment", "mode", "tag"]
    );
    let mut requests = 0;
    for step in job["steps"].as_array().expect("steps") {
        assert!(step["uses"].is_null(), "no foreign code sees the token");
        let script = step["run"].as_str().expect("a script");
        assert!(
            !script.contains("${{"),
            "an expression in a script is code from outside"
        );
        requests += script
            .lines()
            .filter(|line| line.contains("call GET") || line.contains("call POST"))
            .count();
    }
    // Each request ends by itself before the job is ended for it.
    let script = job["steps"][0]["run"].as_str().expect("a script");
    let limit = script.split("--max-time ").nth(1).expect("a limit");
    let limit: usize = limit
        .split(' ')
        .next()
        .expect("a word")
        .parse()
        .expect("seconds");
    assert!(
        limit > 100,
        "longer than the agent's budget and Cloudflare's patience: {limit}"
    );
    let job_limit = job["timeout-minutes"].as_u64().expect("a limit");
    assert!(
        job_limit * 60 > (requests * limit) as u64,
        "{requests} requests"
    );
}
