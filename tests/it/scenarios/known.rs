//! What can be known before the stop is known before the stop: the old container runs on, untouched.

use std::process::Command;

use dreichor_test_support::fake_engine::{Network, Verb};
use dreichor_test_support::images::ImageSpec;
use serde_json::{Value, json};

use crate::harness::{Agent, Answer, Kind, World, unique};

on_both_engines!(
    an_image_that_sets_a_server_owned_variable_is_refused_by_name,
    runtime_env_hides_what_the_image_sets_and_the_record_tells_what_it_does_not_hide,
    a_runtime_env_without_a_database_is_refused,
    settings_that_no_engine_takes_end_the_start_and_leave_the_container,
    a_network_that_is_not_there_is_refused,
    a_network_that_no_container_can_join_is_refused,
    a_network_that_goes_during_the_pull_is_found,
    a_network_without_a_free_address_fails_the_start,
    a_bind_source_that_goes_during_the_pull_is_found,
    a_bind_source_that_goes_after_the_last_look_fails_the_create,
);

/// A value that an image brings; it must show up in no reason and no record.
const OF_THE_IMAGE: &str = "value-of-the-image-5c1e";

/// Refused at this step with these words, and the container that ran before runs still: this very run of it.
pub fn refused(
    world: &World,
    agent: &Agent,
    old: &Value,
    answer: &Answer,
    step: &str,
    words: &[&str],
) {
    let reason = answer.reason();
    assert!(reason.starts_with(&format!("{step} failed: ")), "{reason}");
    for word in words {
        assert!(reason.contains(word), "{word} is not in: {reason}");
    }
    let untouched = "the old runtime container was not touched and is running";
    assert!(reason.ends_with(untouched), "{reason}");
    assert_eq!(&world.identity(), old);
    assert_eq!(agent.status()["running"], true);
    let outcome = world.last_outcome();
    assert_eq!(outcome["http"], answer.status);
    assert_eq!(outcome["state"], "old_running");
    assert_eq!(outcome["failed_step"], step);
}

fn an_image_that_sets_a_server_owned_variable_is_refused_by_name(mut world: World) {
    world.set("ALLOW_EXECUTION_PLANE", "true");
    let (agent, old) = world.running_one();
    let url = world.database_url();
    world.write_runtime_env(&format!("DATABASE_URL={url}\n"));
    let spec = ImageSpec::mode(&["run"])
        .variable(&format!("SAFETY_MODE={OF_THE_IMAGE}"))
        .variable("DATABASE_URL=elsewhere")
        .variable("EXECUTION_PLANE=");
    world.push_spec("2.0.0", spec);
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 422, "{}", answer.body);
    let words = ["the image sets EXECUTION_PLANE, SAFETY_MODE, which"];
    refused(&world, &agent, &old, &answer, "verify", &words);
    let of_image = ["EXECUTION_PLANE", "PATH", "SAFETY_MODE"];
    assert_eq!(world.last_outcome()["image_variables"], json!(of_image));
    let written = [answer.body, json!(world.trail()).to_string(), agent.log()];
    for text in written {
        assert!(!text.contains(OF_THE_IMAGE), "{text}");
    }
}

fn runtime_env_hides_what_the_image_sets_and_the_record_tells_what_it_does_not_hide(world: World) {
    let spec = ImageSpec::mode(&["run"])
        .variable("EXECUTION_PLANE=live")
        .variable("LOG_LEVEL=debug")
        .variable("TZ=UTC");
    world.push_spec("1.0.0", spec);
    let url = world.database_url();
    world.write_runtime_env(&format!(
        "EXECUTION_PLANE=paper\nDATABASE_URL={url}\nLOG_LEVEL=\n"
    ));
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let shown = world.shown();
    let env = shown["Config"]["Env"].as_array().expect("a list");
    for (line, held) in [
        ("EXECUTION_PLANE=paper", true),
        ("LOG_LEVEL=", true),
        ("TZ=UTC", true),
        ("EXECUTION_PLANE=live", false),
        ("LOG_LEVEL=debug", false),
    ] {
        assert_eq!(env.contains(&json!(line)), held, "{line}: {env:?}");
    }
    let outcome = world.last_outcome();
    assert_eq!(outcome["image_variables"], json!(["PATH", "TZ"]));
}

fn a_runtime_env_without_a_database_is_refused(world: World) {
    let (agent, old) = world.running_one();
    for text in ["", "DATABASE_URL=\n", "DATABASE_URL=  \n"] {
        world.write_runtime_env(&format!("EXECUTION_PLANE=paper\n{text}"));
        let answer = agent.deploy(&world.image("1.0.0"));
        assert_eq!(answer.status, 500, "{}", answer.body);
        let words = ["RUNTIME_ENV_FILE", "DATABASE_URL is missing or empty"];
        refused(&world, &agent, &old, &answer, "preflight", &words);
    }
    assert_eq!(agent.stop().status, 200, "a stop needs no database");
}

/// `check` finds it as well: the words of a problem.
pub fn checked(world: &World, words: &[&str]) {
    let file = world.env_file().display().to_string();
    let check = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .args(["check", "--env-file", &file])
        .env_clear()
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(!check.status.success(), "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
}

fn settings_that_no_engine_takes_end_the_start_and_leave_the_container(mut world: World) {
    let (agent, old) = world.running_one();
    drop(agent);
    let wrong = [
        ("RUNTIME_RESTART_POLICY", "on-failure:3"),
        ("RUNTIME_RESTART_POLICY", "sometimes"),
        ("RUNTIME_NETWORK", "container:other"),
        ("RUNTIME_NETWORK", "../info"),
        ("RUNTIME_MEMORY", "4m"),
        ("RUNTIME_LOG_MAX_SIZE", "-1"),
        ("RUNTIME_LOG_MAX_FILES", "0"),
    ];
    for (name, value) in wrong {
        world.set(name, value);
        checked(&world, &[name]);
        world.unset(name);
    }
    world.set("START_CONFIRMATION", "healthy");
    world.set("START_CONFIRMATION_SECONDS", "0");
    checked(&world, &["START_CONFIRMATION_SECONDS"]);
    let log = world.path("agent.log");
    let mut agent = Agent::launch(&world.env_file(), world.port, &log, &[]);
    assert_eq!(agent.wait().code(), Some(78));
    assert_eq!(world.identity(), old);
}

/// A network of this test's own; taken away with it.
struct OwnNetwork<'w> {
    world: &'w World,
    name: String,
}

impl<'w> OwnNetwork<'w> {
    fn new(world: &'w World, network: Network) -> Self {
        let name = format!("dreichor-test-{}", unique());
        match &world.fake {
            Some(fake) => fake.network(&name, Some(network)),
            None => {
                let mut body =
                    json!({ "Name": name, "ConfigOnly": network == Network::ConfigOnly });
                if network != Network::ConfigOnly {
                    // Room for the gateway and one container.
                    let third = name
                        .bytes()
                        .fold(0_u8, |sum, byte| sum.wrapping_mul(31) ^ byte);
                    let fourth = 4 * (std::process::id() % 64);
                    let subnet = format!("10.213.{third}.{fourth}/30");
                    body["IPAM"] = json!({ "Config": [{ "Subnet": subnet }] });
                }
                let made = world.engine("POST", "/networks/create", Some(&body));
                assert_eq!(made.status, 201, "{}", made.body);
            }
        }
        Self { world, name }
    }

    fn remove(&self) {
        match &self.world.fake {
            Some(fake) => fake.network(&self.name, None),
            None => drop(
                self.world
                    .engine("DELETE", &format!("/networks/{}", self.name), None),
            ),
        }
    }
}

impl Drop for OwnNetwork<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The runtime runs on the host's network, and the next deploy is to be on another one.
fn on_another_network(world: &mut World) -> Value {
    let (agent, old) = world.running_one();
    drop(agent);
    world.push_runtime("2.0.0");
    old
}

fn a_network_that_is_not_there_is_refused(mut world: World) {
    let old = on_another_network(&mut world);
    let name = format!("no-{}", unique());
    world.set("RUNTIME_NETWORK", &name);
    let agent = world.agent();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    let words = ["RUNTIME_NETWORK", &name, "not found"];
    refused(&world, &agent, &old, &answer, "preflight", &words);
    checked(&world, &words);
}

fn a_network_that_no_container_can_join_is_refused(mut world: World) {
    let old = on_another_network(&mut world);
    let mut settings = world.settings.clone();
    let network = OwnNetwork::new(&world, Network::ConfigOnly);
    settings.insert("RUNTIME_NETWORK".to_owned(), network.name.clone());
    let agent = world.agent_with(&settings);
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    let words = ["RUNTIME_NETWORK", "no container can join it"];
    refused(&world, &agent, &old, &answer, "preflight", &words);
}

fn a_network_that_goes_during_the_pull_is_found(mut world: World) {
    let old = on_another_network(&mut world);
    let proxy = world.proxied();
    let mut settings = world.settings.clone();
    let network = OwnNetwork::new(&world, Network::Open);
    settings.insert("RUNTIME_NETWORK".to_owned(), network.name.clone());
    let agent = world.agent_with(&settings);
    let controls = world.controls(&proxy);
    let gone = || network.remove();
    let answer = world.deploy_and_meanwhile(&agent, controls, "2.0.0", Verb::ImagePull, gone);
    assert_eq!(answer.status, 500, "{}", answer.body);
    let words = ["RUNTIME_NETWORK", "not found"];
    refused(&world, &agent, &old, &answer, "verify", &words);
}

/// Engines do not say what is free, so this one is found by trying.
fn a_network_without_a_free_address_fails_the_start(mut world: World) {
    on_another_network(&mut world);
    let mut settings = world.settings.clone();
    let network = OwnNetwork::new(&world, Network::Full);
    let other = format!("holder-{}", world.name);
    if world.kind == Kind::Real {
        let body = json!({ "Image": world.image("1.0.0"), "Cmd": ["run"], "HostConfig": { "NetworkMode": network.name } });
        let made = world.engine(
            "POST",
            &format!("/containers/create?name={other}"),
            Some(&body),
        );
        assert_eq!(made.status, 201, "{}", made.body);
        world.act(&other, "start");
    }
    settings.insert("RUNTIME_NETWORK".to_owned(), network.name.clone());
    let agent = world.agent_with(&settings);
    let answer = agent.deploy(&world.image("2.0.0"));
    world.engine("DELETE", &format!("/containers/{other}?force=1"), None);
    assert_eq!(answer.status, 500, "{}", answer.body);
    for word in [
        "start failed",
        "no available",
        "was created but is not running",
    ] {
        assert!(answer.reason().contains(word), "{}", answer.body);
    }
    drop(agent);
    assert_eq!(world.agent().deploy(&world.image("1.0.0")).status, 200);
}

fn a_bind_source_that_goes_during_the_pull_is_found(mut world: World) {
    let proxy = world.proxied();
    let (agent, old) = world.running_one();
    world.push_runtime("2.0.0");
    let snapshots = world.path("volumes/snapshots");
    let gone = || std::fs::rename(&snapshots, world.path("elsewhere")).expect("moved");
    let controls = world.controls(&proxy);
    let answer = world.deploy_and_meanwhile(&agent, controls, "2.0.0", Verb::ImagePull, gone);
    assert_eq!(answer.status, 500, "{}", answer.body);
    refused(&world, &agent, &old, &answer, "verify", &["SNAPSHOTS_PATH"]);
    assert!(!snapshots.exists(), "nobody made it");
}

fn a_bind_source_that_goes_after_the_last_look_fails_the_create(mut world: World) {
    let proxy = world.proxied();
    let (agent, _) = world.running_one();
    world.push_runtime("2.0.0");
    let (snapshots, elsewhere) = (world.path("volumes/snapshots"), world.path("elsewhere"));
    let gone = || std::fs::rename(&snapshots, &elsewhere).expect("moved");
    let controls = world.controls(&proxy);
    let answer = world.deploy_and_meanwhile(&agent, controls, "2.0.0", Verb::ContainerCreate, gone);
    assert_eq!(answer.status, 502, "{}", answer.body);
    for word in [
        "create failed",
        "snapshots",
        "no runtime container exists now",
    ] {
        assert!(answer.reason().contains(word), "{}", answer.body);
    }
    std::fs::rename(&elsewhere, &snapshots).expect("moved back");
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
}
