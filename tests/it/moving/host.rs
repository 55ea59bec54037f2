//! What a person sees differently on the host.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::world;
use crate::harness::{Agent, Kind};

#[test]
fn a_runtime_env_without_a_database_refuses_deploys() {
    let world = world(Kind::Fake);
    world.write_runtime_env("EXECUTION_PLANE=paper\n");
    let answer = world.agent().deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(answer.reason().contains("DATABASE_URL"), "{}", answer.body);
}

#[test]
fn sigterm_comes_before_sigkill() {
    let mut world = world(Kind::Real);
    world.set("STOP_GRACE_SECONDS", "2");
    world.push("2.0.0", &["ignore-term"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    assert_eq!(agent.stop().status, 200);
    let ends = world.events("predecessor_ended");
    // The first heeds SIGTERM and ends by itself, the second does not.
    let killed = |end: &Value| (end["exit_code"].clone(), end["killed_after_grace"].clone());
    assert_eq!(killed(&ends[0]), (json!(0), json!(false)), "{}", ends[0]);
    assert_eq!(killed(&ends[1]), (json!(137), json!(true)), "{}", ends[1]);
}

#[test]
fn proxies_and_init_of_dockers_configuration_are_not_handed_on() {
    let world = world(Kind::Real);
    let proxy = "http://proxy.example.com:3128";
    let proxies = json!({"proxies": {"default": {"httpProxy": proxy, "noProxy": "localhost"}}});
    std::fs::write(world.path("docker/config.json"), proxies.to_string()).expect("written");
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let shown = world.shown();
    let variables = shown["Config"]["Env"].to_string().to_lowercase();
    assert!(!variables.contains("proxy"), "{variables}");
    assert_ne!(shown["HostConfig"]["Init"], true);
    drop(agent);
    let mut world = world;
    world.set("RUNTIME_INIT", "true");
    let runtime = format!("DATABASE_URL=x\nHTTP_PROXY={proxy}\n");
    world.write_runtime_env(&runtime);
    assert_eq!(world.agent().deploy(&world.image("1.0.0")).status, 200);
    let shown = world.shown();
    assert_eq!(shown["HostConfig"]["Init"], true);
    assert!(shown["Config"]["Env"].to_string().contains("HTTP_PROXY"));
}

#[test]
fn wrong_settings_are_named_at_once_and_end_the_agent_with_78() {
    let mut world = world(Kind::Fake);
    world.unset("CONTAINER_NAME");
    world.unset("SNAPSHOTS_PATH");
    let log = world.path("agent.log");
    let mut agent = Agent::launch(&world.env_file(), world.port, &log, &[]);
    assert_eq!(agent.wait().code(), Some(78));
    let said = agent.log();
    assert!(
        said.contains("CONTAINER_NAME") && said.contains("SNAPSHOTS_PATH"),
        "{said}"
    );
    let unit = crate::host_files::read("deploy/dreichor-deploy-agent@.service");
    assert!(unit.contains("RestartPreventExitStatus=78"));
}

#[test]
fn the_container_of_the_old_agent_is_replaced_by_the_first_deploy() {
    let world = world(Kind::Real);
    let socket = format!("unix://{}", crate::harness::real_socket().display());
    // As the old agent ran it.
    let volume = |inside: &str, at: &str| {
        let source = world.path(inside);
        format!("{}:/var/lib/dreichor/{at}", source.display())
    };
    let ran = Command::new("docker")
        .args(["--host", &socket, "run", "-d", "--name", &world.name])
        .args(["--restart", "unless-stopped", "--network", "host"])
        .arg("--env-file")
        .arg(world.path("runtime.env"))
        .args(["-v", &volume("volumes/audit-events", "audit-events")])
        .args(["-v", &volume("volumes/snapshots", "snapshots")])
        .arg(world.image("1.0.0"))
        .output()
        .expect("docker runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let old = world.id();
    let agent = world.agent();
    agent.status_until(Duration::from_secs(30), |answer| answer.status == 200);
    assert_eq!(agent.status()["running"], true);
    assert_eq!(agent.deploy(&world.image("1.0.1")).status, 200);
    assert_ne!(world.id(), old);
    assert_eq!(world.count(), 1);
}
