//! `examples/operator` against real agents and stand-ins: every exit status it documents.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::stand_in::{self, StandIn};
use super::{
    agent_with_token, assert_that_no_secret_was_an_argument, engine_goes_away, path_with,
    watched_curl,
};
use crate::harness::{CLIENT_ID, CLIENT_SECRET, Kind, World, free_port};
use crate::host_files::root;

/// Runs it; gives its exit status and what it said.
fn operator(world: &World, port: u16, arguments: &[&str]) -> (i32, String) {
    let headers = world.path("opt/headers");
    std::fs::create_dir_all(world.path("opt")).expect("made");
    let lines =
        format!("CF-Access-Client-Id: {CLIENT_ID}\nCF-Access-Client-Secret: {CLIENT_SECRET}\n");
    std::fs::write(&headers, lines).expect("written");
    set_mode(&headers, 0o600);
    run(world, port, &headers, arguments)
}

fn set_mode(file: &Path, mode: u32) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(file, mode).expect("changed");
}

fn run(world: &World, port: u16, headers: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(root().join("examples/operator"))
        .args(arguments)
        .env_clear()
        .env("PATH", path_with(&watched_curl(world)))
        .env("DEPLOY_URL", format!("http://127.0.0.1:{port}"))
        .env("DEPLOY_HEADERS", headers)
        .env("DEPLOY_IMAGE", &world.repository)
        .output()
        .expect("bash runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    assert!(!said.contains(CLIENT_SECRET), "{said}");
    (output.status.code().expect("an exit status"), said)
}

#[test]
fn the_operator_deploys_looks_and_stops() {
    let (world, agent) = agent_with_token(Kind::Fake);
    let does = |arguments: &[&str]| operator(&world, agent.port, arguments);
    let (code, said) = does(&["deploy", "1.0.0"]);
    assert!(code == 0 && said.contains("\"deployed\""), "{code} {said}");
    let (code, said) = does(&["status"]);
    assert!(
        code == 0 && said.contains(&world.image("1.0.0")),
        "{code} {said}"
    );
    let (code, said) = does(&["deploy", "9.9.9"]);
    assert!(code == 1 && said.contains("502: "), "{code} {said}");
    let (code, said) = does(&["stop"]);
    assert!(code == 0 && said.contains("\"stopped\""), "{code} {said}");
    assert_that_no_secret_was_an_argument(&world);
}

#[test]
fn the_operator_hears_what_went_wrong_by_the_exit_status() {
    let world = World::new(Kind::Fake);
    let headers = world.path("opt/headers");
    assert_eq!(
        operator(&world, free_port(), &["status"]).0,
        3,
        "nobody listens"
    );
    for page in [stand_in::login_page, stand_in::redirect] {
        let (code, said) = operator(&world, StandIn::start(page).port, &["status"]);
        assert!(code == 2 && said.contains("login page"), "{code} {said}");
    }
    let other = StandIn::start(stand_in::another_image);
    assert_eq!(operator(&world, other.port, &["deploy", "1.0.0"]).0, 4);
    for wrong in [&["deploy"][..], &["restart"], &[], &["status", "x"]] {
        assert_eq!(operator(&world, other.port, wrong).0, 64, "{wrong:?}");
    }
    let before = other.seen().len();
    set_mode(&headers, 0o644);
    assert_eq!(
        run(&world, other.port, &headers, &["status"]).0,
        66,
        "others could read the token"
    );
    std::fs::write(&headers, "CF-Access-Client-Id: x\n").expect("written");
    set_mode(&headers, 0o600);
    assert_eq!(
        run(&world, other.port, &headers, &["status"]).0,
        66,
        "half a token"
    );
    assert_eq!(other.seen().len(), before, "nothing was asked");
}

#[test]
fn the_operator_hears_of_an_absent_engine() {
    let (world, agent) = agent_with_token(Kind::Fake);
    engine_goes_away(&world);
    agent.status_until_refused(Duration::from_secs(10));
    let (code, said) = operator(&world, agent.port, &["status"]);
    assert!(code == 1 && said.contains("503: "), "{code} {said}");
}
