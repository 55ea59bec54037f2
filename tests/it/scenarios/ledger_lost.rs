//! Every way to lose what the agent knows of its tags: a moved tag is refused all the same while a container of it runs,
//! and in prod nothing is deployed before an operator has acknowledged the loss.

use std::fs;
use std::path::Path;
use std::time::Duration;

use dreichor_test_support::images::ImageSpec;
use serde_json::json;

use crate::harness::notify::{reporting, told};
use crate::harness::{Agent, Answer, Kind, World, until};

on_both_engines!(
    a_running_container_counts_whatever_the_ledger_says,
    a_container_of_another_maker_counts_as_well,
    a_new_state_directory_in_prod_refuses_deploys_until_it_is_acknowledged,
    a_state_directory_older_than_the_container_is_said_and_in_prod_refuses_deploys,
    another_hosts_state_directory_is_said_and_in_prod_refuses_deploys,
    deleted_files_are_said_and_in_prod_refuse_deploys,
);

const SOON: Duration = Duration::from_secs(10);

fn quick(mut world: World) -> World {
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.set("STOP_GRACE_SECONDS", "0");
    for tag in ["1.0.0", "2.0.0", "3.0.0"] {
        world.push(tag, &["run"]);
    }
    world
}

/// The same, in prod, with an operator who has acknowledged the first start.
fn quick_in_prod(kind: Kind) -> (World, Agent) {
    let world = quick(World::in_prod(kind));
    let agent = world.agent();
    world.acknowledge("first installation");
    (world, agent)
}

/// Somebody builds the tag again.
fn moved(world: &World, tag: &str) {
    world.push_spec(tag, ImageSpec::mode(&["run"]).label("build", "another"));
}

fn deployed(world: &World, agent: &Agent, tag: &str) {
    let answer = agent.deploy(&world.image(tag));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[track_caller]
fn refused(answer: &Answer, words: &[&str]) {
    assert_eq!(answer.status, 409, "{}", answer.body);
    for word in words {
        assert!(answer.reason().contains(word), "{word}: {}", answer.body);
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp")
        .args(["--archive", "--no-target-directory"])
        .args([from, to])
        .status();
    assert!(copied.expect("cp runs").success());
}

fn a_running_container_counts_whatever_the_ledger_says(world: World) {
    let world = quick(world);
    let agent = world.agent();
    deployed(&world, &agent, "1.0.0");
    let old = world.identity();
    drop(agent);
    fs::remove_dir_all(world.path("state")).expect("removed");
    moved(&world, "1.0.0");
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    refused(
        &answer,
        &["tag 1.0.0 is immutable", "of the runtime container"],
    );
    assert_eq!(world.identity(), old);
}

fn a_container_of_another_maker_counts_as_well(world: World) {
    let world = quick(world);
    let id = world.foreign_container("1.0.0", "no");
    world.act(&id, "start");
    moved(&world, "1.0.0");
    let agent = world.agent();
    refused(
        &agent.deploy(&world.image("1.0.0")),
        &["tag 1.0.0 is immutable", "of the runtime container"],
    );
    assert_eq!(world.id(), id);
    assert_eq!(agent.status()["running"], true);
}

fn a_new_state_directory_in_prod_refuses_deploys_until_it_is_acknowledged(world: World) {
    let world = quick(World::in_prod(world.kind));
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    refused(
        &answer,
        &["had no trail", "deploy-agent acknowledge", "preflight"],
    );
    assert!(agent.log().contains("had no trail"));
    assert_eq!(world.events("agent_started")[0]["new_trail"], true);
    assert_eq!(agent.stop().status, 200, "a stop is never refused");
    assert_eq!(agent.status()["running"], false);
    let said = world.acknowledge("the first installation of this host");
    assert!(
        said.contains("had no trail") && said.contains("recorded"),
        "{said}"
    );
    deployed(&world, &agent, "1.0.0");
    let acknowledged = world.events("ledger_acknowledged");
    let [record] = &acknowledged[..] else {
        panic!("{acknowledged:?}")
    };
    assert_eq!(record["reason"], "the first installation of this host");
    let user = rustix::process::getuid().as_raw();
    assert_eq!(record["user"], json!(user));
    let shown = world.history(&[]);
    for part in [
        "ledger",
        "acknowledged",
        &format!("uid {user}"),
        "of this host",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let failed = world.history(&["--failed"]);
    assert!(!failed.contains("acknowledged"), "{failed}");
    drop(agent);
    let agent = world.agent();
    deployed(&world, &agent, "2.0.0");
    assert!(world.acknowledge("again").contains("nothing is doubted"));
}

fn a_state_directory_older_than_the_container_is_said_and_in_prod_refuses_deploys(world: World) {
    let (world, mut agent) = quick_in_prod(world.kind);
    deployed(&world, &agent, "1.0.0");
    agent.signal("TERM");
    agent.wait();
    copy(&world.path("state"), &world.path("backup"));
    let agent = world.agent();
    deployed(&world, &agent, "2.0.0");
    let old = world.identity();
    drop(agent);
    fs::remove_dir_all(world.path("state")).expect("removed");
    fs::rename(world.path("backup"), world.path("state")).expect("renamed");
    let agent = world.agent();
    until("the start says it", SOON, || {
        world.events("ledger_doubted").len() == 1
            && agent.log().contains("is older than the container")
    });
    let operation = &world.shown()["Config"]["Labels"]["dreichor.deploy-agent.operation"];
    assert_eq!(
        world.events("ledger_doubted")[0]["container_operation"],
        *operation
    );
    let answer = agent.deploy(&world.image("3.0.0"));
    refused(
        &answer,
        &[
            "is older than the container",
            operation.as_str().expect("an id"),
        ],
    );
    assert_eq!(world.identity(), old);
    world.acknowledge("restored after the disk failed");
    moved(&world, "2.0.0");
    refused(
        &agent.deploy(&world.image("2.0.0")),
        &["tag 2.0.0 is immutable"],
    );
    drop(agent);
    let agent = world.agent();
    deployed(&world, &agent, "3.0.0");
    assert_eq!(world.events("ledger_doubted").len(), 1, "said once");
}

fn another_hosts_state_directory_is_said_and_in_prod_refuses_deploys(world: World) {
    let (other, mut agent) = quick_in_prod(Kind::Fake);
    deployed(&other, &agent, "1.0.0");
    agent.signal("TERM");
    agent.wait();
    let (world, agent) = quick_in_prod(world.kind);
    deployed(&world, &agent, "1.0.0");
    drop(agent);
    fs::remove_dir_all(world.path("state")).expect("removed");
    copy(&other.path("state"), &world.path("state"));
    let agent = world.agent();
    refused(&agent.deploy(&world.image("2.0.0")), &["another host's"]);
    assert_eq!(agent.status()["running"], true);
    world.acknowledge("moved to this host");
    deployed(&world, &agent, "2.0.0");
}

fn deleted_files_are_said_and_in_prod_refuse_deploys(world: World) {
    let (world, agent) = quick_in_prod(world.kind);
    deployed(&world, &agent, "1.0.0");
    drop(agent);
    // An acknowledgement that nobody has asked for is none for what comes later.
    world.acknowledge("just in case");
    fs::remove_file(world.path("state/audit.jsonl")).expect("removed");
    let agent = world.agent();
    refused(
        &agent.deploy(&world.image("2.0.0")),
        &["the trail was damaged"],
    );
    assert!(!world.events("trail_damaged").is_empty());
    drop(agent);
    fs::remove_dir_all(world.path("state")).expect("removed");
    let agent = world.agent();
    refused(&agent.deploy(&world.image("2.0.0")), &["had no trail"]);
    drop(agent);
    // Acknowledged while the agent is stopped: recorded when it starts.
    let said = world.acknowledge("files were deleted by mistake");
    assert!(said.contains("when it starts"), "{said}");
    let agent = world.agent();
    deployed(&world, &agent, "2.0.0");
    assert_eq!(world.events("ledger_acknowledged").len(), 1);
}

#[test]
fn in_dev_a_doubted_ledger_is_said_and_refuses_nothing() {
    let world = quick(World::new(Kind::Fake));
    let agent = world.agent();
    deployed(&world, &agent, "1.0.0");
    assert!(agent.log().contains("had no trail") && agent.log().contains("deploys go on"));
    world.acknowledge("seen");
    deployed(&world, &agent, "2.0.0");
}

#[test]
fn the_service_manager_is_told_of_a_doubted_ledger_until_it_is_acknowledged() {
    let world = quick(World::in_prod(Kind::Fake));
    let (_agent, socket) = reporting(&world, &[]);
    let refused = "; deploys are refused until `deploy-agent acknowledge prod --reason TEXT`";
    assert!(told(&socket, |_| true).contains(refused));
    world.acknowledge("seen");
    told(&socket, |line| !line.contains(refused));
}
