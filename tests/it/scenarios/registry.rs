//! Credentials of the registry, and registries that fail.

use base64::Engine as _;
use serde_json::json;

use dreichor_test_support::registry::{Fault, What};

use crate::harness::{REGISTRY_PASSWORD, World, found_below};

on_both_engines!(
    credentials_come_from_dockers_config,
    a_token_server_is_asked_with_the_credentials,
    without_credentials_the_registrys_no_is_passed_on,
    a_login_counts_from_the_next_pull_on,
    a_registry_that_hands_back_what_it_was_sent_puts_no_secret_into_a_reason,
);

fn log_in(world: &World) {
    let host = world.repository.split('/').next().expect("a host");
    let auth =
        base64::engine::general_purpose::STANDARD.encode(format!("deployer:{REGISTRY_PASSWORD}"));
    let config = json!({ "auths": { host: { "auth": auth } } });
    std::fs::write(world.path("docker/config.json"), config.to_string()).expect("written");
}

fn credentials_come_from_dockers_config(world: World) {
    world.push("1.0.0", &["run"]);
    world.registry.require_basic("deployer", REGISTRY_PASSWORD);
    log_in(&world);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn a_token_server_is_asked_with_the_credentials(world: World) {
    world.push("1.0.0", &["run"]);
    world.registry.require_bearer("deployer", REGISTRY_PASSWORD);
    log_in(&world);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn without_credentials_the_registrys_no_is_passed_on(world: World) {
    world.push("1.0.0", &["run"]);
    world.registry.require_basic("deployer", REGISTRY_PASSWORD);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert!(answer.reason().contains("pull failed"), "{}", answer.body);
    assert!(!answer.body.contains(REGISTRY_PASSWORD));
    assert!(world.container().is_none());
}

fn a_login_counts_from_the_next_pull_on(world: World) {
    world.push("1.0.0", &["run"]);
    world.registry.require_basic("deployer", REGISTRY_PASSWORD);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 502);
    log_in(&world);
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn a_registry_that_hands_back_what_it_was_sent_puts_no_secret_into_a_reason(world: World) {
    world.push("1.0.0", &["run"]);
    world.registry.require_basic("deployer", REGISTRY_PASSWORD);
    log_in(&world);
    world.registry.fault(What::Manifest, Fault::Echo);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 502, "{}", answer.body);
    let reason = answer.reason();
    match world.store().repeats_the_registry {
        true => assert!(
            reason.contains("no access with") && reason.contains("***"),
            "it did hand them back: {reason}"
        ),
        false => assert!(reason.contains("403"), "{reason}"),
    }
    let encoded =
        base64::engine::general_purpose::STANDARD.encode(format!("deployer:{REGISTRY_PASSWORD}"));
    for secret in [REGISTRY_PASSWORD, &encoded] {
        assert!(!reason.contains(secret), "{reason}");
        let found = found_below(world.directory.path(), secret);
        let elsewhere = found
            .iter()
            .filter(|path| !path.ends_with("docker/config.json"));
        assert_eq!(elsewhere.count(), 0, "{found:?}");
    }
}
