//! Images that a pipeline sees refused, or answered with another code.

use dreichor_test_support::images::ImageSpec;

use super::world;
use crate::harness::Kind;

#[test]
fn a_runtime_that_crashes_inside_the_window_is_a_failed_deploy() {
    let mut world = world(Kind::Real);
    world.set("START_CONFIRMATION_SECONDS", "2");
    world.push("2.0.0", &["crash-after", "300"]);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert_eq!(agent.status()["running"], false);
    assert_eq!(world.shown()["State"]["Restarting"], false);
}

#[test]
fn an_image_that_cannot_be_pulled_is_502_and_the_old_runtime_runs_on() {
    let world = world(Kind::Fake);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let old = world.id();
    let answer = agent.deploy(&world.image("9.9.9"));
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert_eq!(world.id(), old);
    assert_eq!(agent.status()["running"], true);
}

#[test]
fn latest_in_prod_is_422() {
    let mut world = world(Kind::Fake);
    world.name = world.name.replace("-dev", "-prod");
    let name = world.name.clone();
    world.set("ENVIRONMENT", "prod");
    world.set("CONTAINER_NAME", &name);
    let answer = world.agent().deploy(&world.image("latest"));
    assert_eq!(answer.status, 422, "{}", answer.body);
}

#[test]
fn an_image_that_sets_a_server_owned_variable_is_422() {
    let world = world(Kind::Fake);
    let spec = ImageSpec::mode(&["run"]).variable("LOG_LEVEL=debug");
    world.push_spec("2.0.0", spec);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 422, "{}", answer.body);
    world.write_runtime_env(&format!(
        "DATABASE_URL={}\nLOG_LEVEL=info\n",
        world.database_url()
    ));
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
}

#[test]
fn the_first_deploy_in_prod_waits_for_an_acknowledgement() {
    let mut world = world(Kind::Fake);
    world.name = world.name.replace("-dev", "-prod");
    let name = world.name.clone();
    world.set("ENVIRONMENT", "prod");
    world.set("CONTAINER_NAME", &name);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 409);
    world.acknowledge("moved from the old agent");
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn an_image_of_another_repository_is_422() {
    let world = world(Kind::Fake);
    let answer = world.agent().deploy("docker.io/library/alpine:3.20");
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert!(world.events("operation_started").is_empty());
}

#[test]
fn a_tag_that_was_moved_is_409() {
    let mut world = world(Kind::Fake);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    world.push("1.0.0", &["run", "moved"]);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 409);
    drop(agent);
    world.set("ALLOW_MUTABLE_TAGS", "true");
    assert_eq!(world.agent().deploy(&world.image("1.0.0")).status, 200);
}
