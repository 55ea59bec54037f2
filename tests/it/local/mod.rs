//! The operator's socket: what it tells, what it never does, and what a kill leaves.

mod faults;
pub mod kills;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Kind, World, contract_headers, request_bytes};

/// What a person does with Ctrl-C; waits for the end.
pub fn interrupt(child: &mut Child) {
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", "INT", &pid])
        .status();
    assert!(sent.expect("kill runs").success());
    child.wait().expect("it ended");
}

/// Sends bytes to the socket and gives what comes back.
fn said_to(world: &World, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(world.path("state/operator.sock")).expect("connected");
    let wait = Some(Duration::from_secs(20));
    stream.set_read_timeout(wait).expect("a timeout");
    // It may hang up amid what it does not understand.
    stream.write_all(bytes).ok();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok();
    line
}

fn quick() -> World {
    let mut world = World::new(Kind::Fake);
    world.set("START_CONFIRMATION_SECONDS", "0");
    world
}

#[test]
fn nothing_that_is_said_to_the_socket_starts_stops_or_replaces_the_runtime() {
    let world = quick();
    let (_agent, running) = world.running_one();
    world.push("2.0.0", &["run"]);
    let fake = world.fake.as_ref().expect("the fake engine");
    fake.controls().reset_calls();
    let image = world.image("2.0.0");
    let mut tried: Vec<Vec<u8>> = Vec::new();
    for command in [
        "deploy", "stop", "start", "restart", "replace", "create", "remove", "kill", "run", "exec",
        "Status", "",
    ] {
        for rest in [
            String::new(),
            format!(r#","image":"{image}""#),
            format!(r#","image":"{image}","environment":"dev""#),
        ] {
            tried.push(format!("{{\"command\":\"{command}\"{rest}}}\n").into_bytes());
        }
    }
    let body = format!(r#"{{"image":"{image}"}}"#);
    for path in ["/v1/deploy", "/v1/stop"] {
        tried.push(request_bytes("POST", path, &contract_headers(), &body));
        tried.push(format!("POST {path}\n{body}\n").into_bytes());
    }
    tried.push(
        format!(
            r#"{{"command":"pull","image":"2.0.0","deploy":true}}{}"#,
            "\n"
        )
        .into(),
    );
    tried.push(b"{\"command\":\"thaw\"}{\"command\":\"stop\"}\n".to_vec());
    tried.push(vec![0; 10_000]);
    tried.push(vec![b'x'; 1_000_000]);
    tried.push(b"\xff\xfe\n".to_vec());
    tried.push(b"\n".to_vec());
    tried.push([b"[".repeat(4000), b"\n".to_vec()].concat());
    for bytes in &tried {
        let reply = said_to(&world, bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        assert!(
            reply.is_empty() || reply.contains("\"refused\""),
            "{shown}: {reply}"
        );
    }
    let changed = fake.controls().changing_calls();
    assert!(changed.is_empty(), "{changed:?}");
    assert_eq!(world.identity(), running);
    // What it can do touches no container either.
    for (command, arguments) in [
        ("pull", vec!["2.0.0"]),
        ("prune", vec!["--keep", "0", "--yes"]),
        ("freeze", vec!["--reason", "x", "--until", "1h"]),
        ("thaw", vec![]),
        ("status", vec!["--json"]),
    ] {
        let (code, said) = world.operator(command, &arguments);
        assert_eq!(code, 0, "{command}: {said}");
    }
    let touched: Vec<_> = fake
        .controls()
        .changing_calls()
        .into_iter()
        .filter(|call| format!("{:?}", call.verb).starts_with("Container"))
        .collect();
    assert!(touched.is_empty(), "{touched:?}");
    assert_eq!(world.identity(), running);
}

#[test]
fn the_status_tells_what_runs_how_the_last_operation_ended_and_what_holds() {
    let world = quick();
    let agent = world.agent();
    let json = || -> Value {
        let (code, said) = world.operator("status", &["--json"]);
        assert_eq!(code, 0, "{said}");
        serde_json::from_str(&said).expect("JSON")
    };
    let empty = json();
    assert_eq!(empty["environment"], "dev");
    assert_eq!(empty["runtime"]["running"], false);
    assert_eq!(empty["last_operation"], Value::Null);
    assert_eq!(empty["engine"]["answers"], true);
    let spec = dreichor_test_support::images::ImageSpec::mode(&["run"]);
    world.push_spec(
        "1.0.0",
        spec.label("org.opencontainers.image.revision", "0123abc"),
    );
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert_eq!(agent.deploy(&world.image("missing")).status, 502);
    let shown = json();
    let runtime = &shown["runtime"];
    assert_eq!(runtime["running"], true);
    assert_eq!(runtime["image"], world.image("1.0.0"));
    assert_eq!(runtime["revision"], "0123abc");
    assert_eq!(runtime["started_at"], agent.status()["started_at"]);
    assert_eq!(shown["last_operation"]["outcome"], "failed");
    assert_eq!(
        shown["last_succeeded_deploy"]["image"],
        world.image("1.0.0")
    );
    let head = shown["trail"]["head"].as_str().expect("a head");
    let last = world.trail().pop().expect("a record");
    assert!(head.starts_with(&format!("{}:", last["seq"])), "{head}");
    let (_, text) = world.operator("status", &[]);
    for part in [
        "is running",
        "1.0.0",
        "0123abc",
        "failed at",
        head,
        "answers",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Other operations do not hide it, and a restart does not forget it.
    assert_eq!(world.operator("thaw", &[]).0, 0);
    drop(agent);
    let agent = world.agent();
    let again = json();
    assert_eq!(again["last_operation"], shown["last_operation"]);
    assert_eq!(
        again["last_succeeded_deploy"],
        shown["last_succeeded_deploy"]
    );
    assert_eq!(agent.stop().status, 200);
    let stopped = json();
    assert_eq!(stopped["runtime"]["running"], false);
    let ended = world.events("operation_ended").pop().expect("a record");
    assert_eq!(stopped["runtime"]["down_since"], ended["down_since"]);
    // Neither what is refused meanwhile nor a restart of the agent begins it anew.
    assert_eq!(agent.deploy(&world.image("missing")).status, 502);
    drop(agent);
    let _agent = world.agent();
    let still = json();
    assert_eq!(
        still["runtime"]["down_since"],
        stopped["runtime"]["down_since"]
    );
}

#[test]
fn a_status_waits_for_nothing_and_says_when_the_engine_is_silent() {
    let mut world = quick();
    world.set("STATUS_MAX_AGE_SECONDS", "2");
    let (_agent, _) = world.running_one();
    let fake = world.fake.as_ref().expect("the fake engine");
    fake.controls().freeze();
    crate::harness::until("the view is old", Duration::from_secs(10), || {
        world
            .operator("status", &[])
            .1
            .contains("does not answer since")
    });
    let (code, said) = world.operator("status", &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("is unknown"), "{said}");
    fake.controls().thaw();
}

#[test]
fn without_a_running_agent_every_command_says_so() {
    let world = quick();
    let commands = [
        ("status", vec![]),
        ("pull", vec!["1.0.0"]),
        ("prune", vec![]),
        ("freeze", vec!["--reason", "x", "--until", "1h"]),
        ("thaw", vec![]),
    ];
    let all_say_so = |when: &str| {
        for (command, arguments) in &commands {
            let (code, said) = world.operator(command, arguments);
            assert_eq!(code, 69, "{command} {when}: {said}");
            assert!(said.contains("no deploy agent runs"), "{said}");
        }
    };
    all_say_so("before the first");
    let mut agent = world.agent();
    agent.signal("KILL");
    agent.wait();
    assert!(world.path("state/operator.sock").exists());
    all_say_so("after a kill");
    let mut agent = world.agent();
    assert_eq!(world.operator("status", &[]).0, 0);
    agent.signal("TERM");
    agent.wait();
    all_say_so("after its end");
    assert!(!world.path("state/operator.sock").exists());
}

#[test]
fn the_socket_is_in_the_runtime_directory_that_systemd_makes_and_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = quick();
    let runtime = world.path("run");
    std::fs::create_dir(&runtime).expect("made");
    let directory = runtime.display().to_string();
    let extra = [("RUNTIME_DIRECTORY", directory.as_str())];
    let log = world.path("agent.log");
    let agent = crate::harness::Agent::start(&world.env_file(), world.port, &log, &extra);
    let socket = runtime.join("operator.sock");
    let mode = std::fs::metadata(&socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!world.path("state/operator.sock").exists());
    // Another user gets nowhere even where the directory would let it in.
    if rustix::process::getuid().is_root() {
        for (path, mode) in [
            (world.path(""), 0o755),
            (runtime, 0o755),
            (socket.clone(), 0o666),
        ] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
        }
        let mut stranger = std::process::Command::new("setpriv");
        stranger.args(["--reuid", "65534", "--clear-groups"]);
        let program = world.path("deploy-agent");
        std::fs::copy(env!("CARGO_BIN_EXE_deploy-agent"), &program).expect("copied");
        let said = stranger
            .arg(&program)
            .args(["status", "dev", "--socket"])
            .arg(&socket)
            .output()
            .expect("setpriv runs");
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        crate::harness::until("the log says who came", Duration::from_secs(30), || {
            agent.log().contains("uid 65534 is neither root nor")
        });
    }
}
