//! `examples/operator`, as a person types it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::stub::{Canned, LOGIN_PAGE, Stub};
use super::{CLIENT_ID, CLIENT_SECRET, Said, root, run, world, world_of};
use crate::harness::{self, Runtime, World, free_port};

/// The operator's file; outside of what a world searches for leaked secrets.
struct Token(tempfile::TempDir);

impl Token {
    fn of(world: &World, port: u16) -> Self {
        Self::holding(&format!(
            "DEPLOY_AGENT_URL=http://127.0.0.1:{port}\nCF_ACCESS_CLIENT_ID={CLIENT_ID}\nCF_ACCESS_CLIENT_SECRET={CLIENT_SECRET}\nIMAGE_REPOSITORY={}\n",
            world.repository
        ))
    }

    fn holding(text: &str) -> Self {
        let token = Self(tempfile::tempdir().expect("a directory"));
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
    for runtime in [Runtime::Loops, Runtime::Serves] {
        asks_deploys_and_stops(&world_of(harness::Kind::Fake, runtime));
    }
}

#[test]
fn the_operators_script_asks_deploys_and_stops_on_the_real_engine() {
    for runtime in [Runtime::Loops, Runtime::Serves] {
        asks_deploys_and_stops(&world_of(harness::Kind::Real, runtime));
    }
}

#[test]
fn the_operators_script_tells_what_is_not_the_agent() {
    let world = world(harness::Kind::Fake);
    let login = Stub::serve(vec![
        Canned::new("/v1/status", "200 OK", "text/html", LOGIN_PAGE),
        Canned::new("/v1/stop", "302 Found", "text/html", LOGIN_PAGE),
        Canned::json("/v1/deploy", "200 OK", &serde_json::json!({})),
    ]);
    let login = login.port;
    for (port, words, says) in [
        (free_port(), &["dev", "status"][..], "no answer"),
        (login, &["dev", "status"], "not the agent's answer"),
        (login, &["dev", "stop"], "302"),
        (login, &["dev", "deploy", "1.0.0"], "not the agent's answer"),
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

#[test]
fn the_operators_script_takes_what_people_paste_into_its_file() {
    let world = world(harness::Kind::Fake);
    let status = serde_json::json!({"container_name": "x-dev", "running": false});
    let stub = Stub::serve(vec![Canned::json("/v1/status", "200 OK", &status)]);
    let url = stub.url();
    for text in [
        format!(
            "export DEPLOY_AGENT_URL=\"{url}/\"\r\nexport CF_ACCESS_CLIENT_ID='{CLIENT_ID}'\r\nCF_ACCESS_CLIENT_SECRET={CLIENT_SECRET} \t\r\n"
        ),
        format!(
            "\u{feff}DEPLOY_AGENT_URL = {url}//\n  CF_ACCESS_CLIENT_ID=\" {CLIENT_ID}\"\n# a comment\nCF_ACCESS_CLIENT_SECRET= {CLIENT_SECRET}"
        ),
        format!(
            "CF_ACCESS_CLIENT_SECRET=old\nDEPLOY_AGENT_URL={url}\nCF_ACCESS_CLIENT_ID={CLIENT_ID}\nCF_ACCESS_CLIENT_SECRET='{CLIENT_SECRET}'\nXCF_ACCESS_CLIENT_ID=x\n"
        ),
    ] {
        let said = operator(&world, &Token::holding(&text), &["dev", "status"]);
        assert_eq!(said.code, Some(0), "{text}: {}", said.text);
        let head = stub.heads().pop().expect("asked");
        for line in [
            "GET /v1/status HTTP/1.1".to_owned(),
            format!("CF-Access-Client-Id: {CLIENT_ID}"),
            format!("CF-Access-Client-Secret: {CLIENT_SECRET}"),
        ] {
            assert!(head.lines().any(|found| found == line), "{line}: {head}");
        }
    }
}

#[test]
fn the_operators_script_refuses_by_name_what_fits_into_no_request() {
    let world = world(harness::Kind::Fake);
    let stub = Stub::serve(Vec::new());
    let good = |name: &str| match name {
        "DEPLOY_AGENT_URL" => stub.url(),
        "CF_ACCESS_CLIENT_ID" => CLIENT_ID.to_owned(),
        _ => CLIENT_SECRET.to_owned(),
    };
    for (name, value) in [
        ("CF_ACCESS_CLIENT_SECRET", "\"two\nlines\""),
        ("CF_ACCESS_CLIENT_SECRET", "a b"),
        ("CF_ACCESS_CLIENT_SECRET", "\" \""),
        ("CF_ACCESS_CLIENT_ID", "CF-Access-Client-Id: x"),
        ("CF_ACCESS_CLIENT_ID", "x\\ny"),
        ("DEPLOY_AGENT_URL", "deploy-dev.example.com"),
        (
            "DEPLOY_AGENT_URL",
            "https://deploy-dev.example.com/v1/status",
        ),
        ("IMAGE_REPOSITORY", "a\"b"),
    ] {
        let names = [
            "DEPLOY_AGENT_URL",
            "CF_ACCESS_CLIENT_ID",
            "CF_ACCESS_CLIENT_SECRET",
        ];
        let others = names.iter().filter(|other| **other != name);
        let mut text: String = others
            .map(|name| format!("{name}={}\n", good(name)))
            .collect();
        text += &format!("{name}={value}\n");
        let said = operator(&world, &Token::holding(&text), &["dev", "deploy", "1.0.0"]);
        assert_eq!(said.code, Some(78), "{value}: {}", said.text);
        assert!(said.text.contains(name), "{value}: {}", said.text);
    }
    assert!(stub.heads().is_empty(), "nothing was sent");
}

#[test]
fn the_operators_script_names_operation_and_audit_head() {
    let world = world(harness::Kind::Fake);
    let stopped = serde_json::json!({"status": "stopped", "container_name": "x-dev"});
    let answer = Canned::json("/v1/stop", "200 OK", &stopped);
    let answer = answer
        .header("Dreichor-Operation: 0d1e")
        .header("dreichor-audit-head: 12:abcdef");
    let port = Stub::serve(vec![answer]).port;
    let said = operator(&world, &Token::of(&world, port), &["dev", "stop"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let named = "operation 0d1e, audit head 12:abcdef";
    assert!(said.text.contains(named), "{}", said.text);
}
