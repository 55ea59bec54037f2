//! Engines that could not make the container, and one that an image would end.

use dreichor_test_support::fake_engine::{ErrorBody, Fault, Kind as How, Verb};
use dreichor_test_support::images::ImageSpec;
use serde_json::{Value, json};

use super::known::{checked, refused};
use crate::harness::{Agent, World};

on_both_engines!(
    the_hosts_network_of_an_engine_that_remaps_users_is_refused,
    an_init_that_the_engine_does_not_have_is_refused,
    an_engine_that_is_not_dockers_is_named,
    an_engine_that_is_too_old_is_named,
    a_log_driver_that_cannot_log_fails_the_start,
    what_the_engine_refuses_for_reasons_of_its_own_fails_the_create,
    a_health_check_that_crashes_the_engine_is_refused,
);

/// What Podman answers, as far as anybody asks.
const PODMAN: &str = r#"{"Components":[{"Name":"Podman Engine","Version":"4.3.1"},{"Name":"Conmon","Version":"2.1.6"}],"Version":"4.3.1","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#;

/// What an engine before 20.10 answers.
const OLD: &str = r#"{"Version":"19.03.15","ApiVersion":"1.40","Os":"linux","Arch":"amd64"}"#;

/// A running container that needs neither network nor init.
fn running(world: &mut World) -> (Agent, Value) {
    world.set("RUNTIME_NETWORK", "none");
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    (agent, world.identity())
}

fn refused_with(world: &mut World, name: &str, value: &str, words: &[&str]) {
    let (agent, old) = running(world);
    drop(agent);
    world.set(name, value);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    refused(world, &agent, &old, &answer, "preflight", words);
    checked(world, words);
}

fn the_hosts_network_of_an_engine_that_remaps_users_is_refused(mut world: World) {
    match &world.fake {
        Some(fake) => fake.remap_users(),
        None => world.own_engine_that_remaps_users(),
    }
    refused_with(
        &mut world,
        "RUNTIME_NETWORK",
        "host",
        &["RUNTIME_NETWORK host", "userns-remap"],
    );
    let refused = world
        .engine_refuses("1.0.0")
        .expect("the engine refuses it");
    assert!(refused.contains("user namespaces"), "{refused}");
}

fn an_init_that_the_engine_does_not_have_is_refused(mut world: World) {
    match &world.fake {
        Some(fake) => fake.without_init(),
        None => world.own_engine_with(&["--init-path=/nonexistent/docker-init".to_owned()]),
    }
    refused_with(
        &mut world,
        "RUNTIME_INIT",
        "true",
        &["RUNTIME_INIT is true", "docker-init"],
    );
}

fn an_engine_that_is_not_dockers_is_named(mut world: World) {
    let proxy = world.proxied();
    let (agent, old) = world.running_one();
    let body = ErrorBody::Plain(PODMAN.to_owned());
    let answers = Fault::before(Verb::Version, How::Status(200, body));
    world.controls(&proxy).inject(answers);
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 502, "{}", answer.body);
    let words = ["Podman Engine 4.3.1", "is no Docker Engine"];
    refused(&world, &agent, &old, &answer, "preflight", &words);
    checked(&world, &["DOCKER_HOST", words[0], words[1]]);
}

fn an_engine_that_is_too_old_is_named(mut world: World) {
    let proxy = world.proxied();
    let (agent, old) = world.running_one();
    let answers = Fault::before(
        Verb::Version,
        How::Status(200, ErrorBody::Plain(OLD.to_owned())),
    );
    world.controls(&proxy).inject(answers);
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    let words = ["19.03.15", "API 1.40", "20.10"];
    refused(&world, &agent, &old, &answer, "preflight", &words);
    checked(&world, &words);
}

/// An engine does not tell the options of its driver.
pub(super) fn a_log_driver_that_cannot_log_fails_the_start(mut world: World) {
    let nowhere = [
        "--log-driver=syslog",
        "--log-opt=syslog-address=tcp://127.0.0.1:1",
    ];
    match &world.fake {
        Some(fake) => fake.log_driver("syslog"),
        None => world.own_engine_with(&nowhere.map(str::to_owned)),
    }
    world.push("1.0.0", &["run"]);
    let answer = world.agent().deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    for word in [
        "start failed: ",
        "failed to initialize logging driver",
        "was created but is not running",
    ] {
        assert!(answer.reason().contains(word), "{}", answer.body);
    }
}

fn what_the_engine_refuses_for_reasons_of_its_own_fails_the_create(mut world: World) {
    let proxy = world.proxied();
    let (agent, _) = world.running_one();
    let said = "authorization denied by plugin of-the-host";
    let body = ErrorBody::Json(said.to_owned());
    let denied = Fault::before(Verb::ContainerCreate, How::Status(403, body));
    world.controls(&proxy).inject(denied);
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 502, "{}", answer.body);
    for word in ["create failed", said, "no runtime container exists now"] {
        assert!(answer.reason().contains(word), "{}", answer.body);
    }
    world.controls(&proxy).clear_faults();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
}

/// On an engine of the test's own: should it ever not be refused, nobody else's ends.
fn a_health_check_that_crashes_the_engine_is_refused(mut world: World) {
    world.own_engine();
    let (agent, old) = running(&mut world);
    let check = json!({ "Test": ["CMD"], "Interval": 1_000_000_000_u64 });
    world.push_spec(
        "2.0.0",
        ImageSpec::mode(&["run"]).field("Healthcheck", check),
    );
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 422, "{}", answer.body);
    refused(
        &world,
        &agent,
        &old,
        &answer,
        "verify",
        &["HEALTHCHECK is CMD without a command"],
    );
}
