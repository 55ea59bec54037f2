//! `examples/github-actions/deploy.yml`, run against a real agent: by hand on the fake engine, by `act` on the real one.

use std::time::Duration;

use super::runner::{Dispatch, Outcome, Runner};
use super::{world, world_of};
use crate::harness::{Agent, Kind, Runtime, World, free_port};

pub const BEFORE: &str = "Read the status before anything is touched";
pub const AFTER_FAILURE: &str = "Read the status after a failed deploy";
pub const STOP: &str = "Stop after a smoke deploy";

/// Makes a test of each scenario for both kinds of runtime: the steps by hand, and the workflow by act.
macro_rules! by_hand_and_by_act {
    ($($name:ident),+ $(,)?) => {
        mod by_hand_on_the_fake_engine {
            by_hand_and_by_act!(@runtimes ByHand Fake: $($name),+);
        }
        mod by_act_on_the_real_engine {
            by_hand_and_by_act!(@runtimes Act Real: $($name),+);
        }
    };
    (@runtimes $runner:ident $kind:ident: $($name:ident),+) => {
        mod loops {
            by_hand_and_by_act!(@tests $runner $kind Loops: $($name),+);
        }
        mod serves {
            by_hand_and_by_act!(@tests $runner $kind Serves: $($name),+);
        }
    };
    (@tests $runner:ident $kind:ident $runtime:ident: $($name:ident),+) => {
        use super::super::{Kind, Runner, Runtime, world_of};
        $(#[test] fn $name() {
            super::super::$name(Runner::$runner, world_of(Kind::$kind, Runtime::$runtime));
        })+
    };
}

by_hand_and_by_act!(
    it_deploys_and_verifies_and_a_smoke_run_stops_again,
    every_refusal_fails_it_with_the_agents_reason,
    a_runtime_that_does_not_start_fails_it_and_the_status_is_read,
    a_token_that_is_not_pinned_is_refused_before_anything_is_touched,
    an_agent_of_another_environment_is_found_out,
    nobody_listens,
);

fn asked(runner: Runner, world: &World, tag: &str) -> Dispatch {
    let url = format!("http://127.0.0.1:{}", world.port);
    Dispatch::new(runner, url, &world.repository, tag)
}

fn run(world: &World, asked: &Dispatch) -> Outcome {
    asked.run(world.directory.path())
}

/// Fails at this step, saying so, and in one error.
fn fails(world: &World, asked: &Dispatch, step: &str, says: &[&str]) -> Outcome {
    let outcome = run(world, asked);
    let (failed, said) = outcome.failure();
    assert_eq!(failed, step, "{said}");
    for word in says.iter().chain(&["::error::"]) {
        assert!(said.contains(word), "{word}: {said}");
    }
    outcome
}

fn it_deploys_and_verifies_and_a_smoke_run_stops_again(runner: Runner, world: World) {
    let agent = world.agent();
    let outcome = run(&world, &asked(runner, &world, "1.0.0"));
    assert!(outcome.succeeded(), "{outcome:?}");
    assert_eq!(outcome.ran(), ["Prepare", BEFORE, "Deploy", "Verify"]);
    assert_eq!(agent.status()["image"], world.image("1.0.0"));
    for shown in ["/v1/deploy to dev: 200", &world.image("1.0.0"), "running"] {
        assert!(outcome.summary.contains(shown), "{shown}: {outcome:?}");
    }

    let mut smoke = asked(runner, &world, "1.0.1");
    smoke.mode = "smoke";
    let outcome = run(&world, &smoke);
    assert!(outcome.succeeded(), "{outcome:?}");
    assert_eq!(outcome.ran().last(), Some(&STOP));
    assert_eq!(agent.status()["running"], false);
    assert_eq!(world.count(), 0);
    let asked_for = &world.events("operation_started")[0]["environment_asked"];
    assert_eq!(asked_for, "dev");
}

/// The same on the real engine with the steps by hand, whose output no runner masks.
#[test]
fn by_hand_on_the_real_engine_it_deploys_and_verifies_and_a_smoke_run_stops_again() {
    for runtime in [Runtime::Loops, Runtime::Serves] {
        let world = world_of(Kind::Real, runtime);
        it_deploys_and_verifies_and_a_smoke_run_stops_again(Runner::ByHand, world);
    }
}

fn every_refusal_fails_it_with_the_agents_reason(runner: Runner, world: World) {
    let agent: Agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let old = world.id();
    let refused = |mode: &'static str, tag: &str, says: &[&str]| {
        let mut asked = asked(runner, &world, tag);
        asked.mode = mode;
        let outcome = fails(&world, &asked, "Deploy", says);
        assert_eq!(world.id(), old, "nothing was deployed, nothing is stopped");
        assert_eq!(outcome.ran().last(), Some(&AFTER_FAILURE));
        let status = outcome.said(AFTER_FAILURE);
        assert!(status.contains("\"running\":true"), "{status}");
        for word in says {
            assert!(outcome.summary.contains(word), "{word}: {outcome:?}");
        }
    };
    refused("deploy", "no tag", &["422", "the tag must be"]);
    refused("smoke", "no tag", &["422", "the tag must be"]);
    refused("deploy", "9.9.9", &["502", "pull failed"]);
    world.push("1.0.0", &["run", "moved"]);
    refused("deploy", "1.0.0", &["409", "immutable"]);
    let url = world.database_url();
    world.write_runtime_env(&format!("EXECUTION_PLANE=live\nDATABASE_URL={url}\n"));
    refused(
        "smoke",
        "1.0.1",
        &["500", "preflight failed", "EXECUTION_PLANE"],
    );
}

fn a_runtime_that_does_not_start_fails_it_and_the_status_is_read(runner: Runner, mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "1");
    world.push("2.0.0", &["crash"]);
    let _agent = world.agent();
    let asked = asked(runner, &world, "2.0.0");
    let outcome = fails(&world, &asked, "Deploy", &["500", "exit"]);
    let status = outcome.said(AFTER_FAILURE);
    assert!(status.contains("\"running\":false"), "{status}");
    assert!(outcome.summary.contains("status of dev"), "{outcome:?}");
}

fn a_token_that_is_not_pinned_is_refused_before_anything_is_touched(
    runner: Runner,
    mut world: World,
) {
    let other = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    world.set("CF_ACCESS_CLIENT_ID", super::CLIENT_ID);
    world.set("CF_ACCESS_CLIENT_SECRET_SHA256", other);
    let _agent = world.agent();
    let outcome = fails(&world, &asked(runner, &world, "1.0.0"), BEFORE, &["403"]);
    assert_eq!(outcome.ran(), ["Prepare", BEFORE]);
    assert!(world.container().is_none());
}

fn an_agent_of_another_environment_is_found_out(runner: Runner, world: World) {
    let _agent = world.agent();
    let mut wrong = asked(runner, &world, "1.0.0");
    wrong.environment = "prod";
    fails(&world, &wrong, BEFORE, &["another environment"]);
    assert_eq!(world.events("operation_started").len(), 0);
    wrong.mode = "smoke";
    fails(&world, &wrong, "Prepare", &["dev only"]);
}

fn nobody_listens(runner: Runner, world: World) {
    let mut asked = asked(runner, &world, "1.0.0");
    asked.agent_url = format!("http://127.0.0.1:{}", free_port());
    fails(&world, &asked, BEFORE, &["no answer", "nothing was sent"]);
}

#[test]
fn an_engine_that_is_gone_fails_the_workflow_with_503() {
    let world = world(Kind::Fake);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    world.fake.as_ref().expect("the fake").stop_listening();
    // The view is still fresh at first: the deploy is refused, later already the status before it.
    let asked = asked(Runner::ByHand, &world, "1.0.1");
    let outcome = run(&world, &asked);
    assert!(outcome.failure().1.contains(": 503 "), "{outcome:?}");
    agent.status_until(Duration::from_secs(10), |answer| answer.status == 503);
    fails(&world, &asked, BEFORE, &["503", "last seen"]);
}

#[test]
fn the_workflow_names_operation_and_audit_head_of_a_real_agent() {
    let world = world(Kind::Fake);
    let _agent = world.agent();
    let outcome = run(&world, &asked(Runner::ByHand, &world, "1.0.0"));
    let record = world.last_outcome();
    let operation = record["operation"].as_str().expect("an operation");
    let head = format!("audit head {}:", record["seq"]);
    let said = outcome.said("Deploy");
    assert!(said.contains(operation) && said.contains(&head), "{said}");
    assert!(outcome.summary.contains(operation), "{outcome:?}");
}
