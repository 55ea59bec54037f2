//! Credentials of the registry, and registries that fail.

use base64::Engine as _;
use serde_json::json;

use crate::harness::World;

on_both_engines!(
    credentials_come_from_dockers_config,
    a_token_server_is_asked_with_the_credentials,
    without_credentials_the_registrys_no_is_passed_on,
);

/// A password whose JSON encodes to `+` and `/` in standard base64: engines read base64url only.
const PASSWORD: &str = "~~~???>>>~~~ÿþ???";

fn log_in(world: &World) {
    let host = world.repository.split('/').next().expect("a host");
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("deployer:{PASSWORD}"));
    let config = json!({ "auths": { host: { "auth": auth } } });
    std::fs::write(world.path("docker/config.json"), config.to_string()).expect("written");
}

fn credentials_come_from_dockers_config(world: World) {
    world.push("1.0.0", &["run"]);
    world.registry.require_basic("deployer", PASSWORD);
    log_in(&world);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn a_token_server_is_asked_with_the_credentials(world: World) {
    world.push("1.0.0", &["run"]);
    world.registry.require_bearer("deployer", PASSWORD);
    log_in(&world);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn without_credentials_the_registrys_no_is_passed_on(world: World) {
    world.push("1.0.0", &["run"]);
    world.registry.require_basic("deployer", PASSWORD);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert!(answer.reason().contains("pull failed"), "{}", answer.body);
    assert!(!answer.body.contains(PASSWORD));
    assert!(world.container().is_none());
}
