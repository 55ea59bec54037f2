//! `examples/operator`, as a person types it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::stub::{Canned, LOGIN_PAGE, Stub};
use super::{CLIENT_ID, CLIENT_SECRET, Said, root, run, world};
use crate::harness::{self, World, free_port};

/// The operator's file; outside of what a world searches for leaked secrets.
struct Token(tempfile::TempDir);

impl Token {
    fn of(world: &World, port: u16) -> Self {
        let token = Self(tempfile::tempdir().expect("a directory"));
        let text = format!(
            "DEPLOY_AGENT_URL=http://127.0.0.1:{port}\nCF_ACCESS_CLIENT_ID={CLIENT_ID}\nCF_ACCESS_CLIENT_SECRET={CLIENT_SECRET}\nIMAGE_REPOSITORY={}\n",
            world.repository
        );
        std::fs::write(token.path(), text).expect("written");
        token.open_to(0o600);
        token
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("dev.env")
    }

    fn open_to(&self, mode: u32) {
        let mode = PermissionsExt::from_mode(mode);
        std::fs::set_permissions(self.path(), mode).expect("changed");
    }
}

fn operator(world: &World, token: &Token, words: &[&str]) -> Said {
    let mut command = Command::new("bash");
    command
        .arg(root().join("examples/operator"))
        .args(words)
        .env_clear()
        .env("HOME", world.directory.path())
        .env("DREICHOR_TOKEN_FILE", token.path());
    run(&mut command, &world.path("curl.log"))
}

fn asks_deploys_and_stops(world: &World) {
    let agent = world.agent();
    let token = Token::of(world, world.port);
    let said = operator(world, &token, &["dev", "deploy", "1.0.0"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(
        said.text.contains("\"status\":\"deployed\""),
        "{}",
        said.text
    );
    let said = operator(world, &token, &["dev", "status"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("\"running\":true"), "{}", said.text);
    let said = operator(world, &token, &["dev", "deploy", "9.9.9"]);
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(said.text.contains("pull failed"), "{}", said.text);
    let said = operator(world, &token, &["dev", "stop"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(agent.status()["running"], false);
}

#[test]
fn the_operators_script_asks_deploys_and_stops_on_the_fake_engine() {
    asks_deploys_and_stops(&world(harness::Kind::Fake));
}

#[test]
fn the_operators_script_asks_deploys_and_stops_on_the_real_engine() {
    asks_deploys_and_stops(&world(harness::Kind::Real));
}

#[test]
fn the_operators_script_tells_what_is_not_the_agent() {
    let world = world(harness::Kind::Fake);
    let login = Stub::serve(vec![
        Canned::new("/v1/status", "200 OK", "text/html", LOGIN_PAGE),
        Canned::new("/v1/stop", "302 Found", "text/html", LOGIN_PAGE),
    ]);
    let login = login.port;
    for (port, words, says) in [
        (free_port(), &["dev", "status"], "no answer"),
        (login, &["dev", "status"], "not the agent's answer"),
        (login, &["dev", "stop"], "302"),
    ] {
        let said = operator(&world, &Token::of(&world, port), words);
        assert_eq!(said.code, Some(2), "{}", said.text);
        assert!(said.text.contains(says), "{says}: {}", said.text);
    }
}

#[test]
fn the_operators_script_refuses_wrong_words_and_open_files() {
    let world = world(harness::Kind::Fake);
    let token = Token::of(&world, free_port());
    for words in [
        &["dev"][..],
        &["staging", "status"],
        &["dev", "deploy"],
        &["dev", "deploy", "a\"b"],
        &["dev", "restart"],
        &["prod", "stop"],
    ] {
        let said = operator(&world, &token, words);
        assert_eq!(said.code, Some(64), "{words:?}: {}", said.text);
    }
    token.open_to(0o644);
    let said = operator(&world, &token, &["dev", "status"]);
    assert_eq!(said.code, Some(78), "{}", said.text);
    assert!(said.text.contains("chmod 600"), "{}", said.text);
    token.open_to(0o600);
    std::fs::write(token.path(), "CF_ACCESS_CLIENT_ID=x\n").expect("written");
    let said = operator(&world, &token, &["dev", "status"]);
    assert_eq!(said.code, Some(78), "{}", said.text);
    assert!(said.text.contains("DEPLOY_AGENT_URL"), "{}", said.text);
}
