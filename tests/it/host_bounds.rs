//! What of the host a runtime may get: links, mounts, modes and a second agent are looked at on the disk as it is, and
//! refused before the old container is touched.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dreichor_test_support::fake_engine::Verb;
use serde_json::Value;

use crate::harness::{Agent, Answer, Kind, World};

/// For an operation to reach the engine.
const ARRIVAL: Duration = Duration::from_secs(20);

fn refused_at(world: &World, old: &Value, step: &str, answer: &Answer, words: &[&str]) {
    assert_eq!(answer.status, 500, "{}", answer.body);
    let reason = answer.reason();
    for word in [&[step, "failed"], words].concat() {
        assert!(reason.contains(word), "{word} is not in: {reason}");
    }
    assert_eq!(&world.identity(), old, "the old container is untouched");
}

/// Puts a link in the place of a bind source.
fn relink(bind: &Path, to: &Path) {
    std::fs::remove_dir(bind).expect("an empty directory");
    symlink(to, bind).expect("linked");
}

#[test]
fn a_bind_that_leads_to_what_is_not_the_runtimes_refuses_deploys_and_check_names_it() {
    let world = World::new(Kind::Fake);
    let (agent, old) = world.running_one();
    let snapshots = world.path("volumes/snapshots");
    for (to, word) in [
        (world.path("state"), "STATE_DIRECTORY"),
        (world.path("docker"), "DOCKER_CONFIG"),
        (world.path("volumes/audit-events"), "AUDIT_EVENTS_PATH"),
        ("/etc".into(), "the host's own"),
        ("/".into(), "contains"),
    ] {
        relink(&snapshots, &to);
        let answer = agent.deploy(&world.image("1.0.0"));
        refused_at(
            &world,
            &old,
            "preflight",
            &answer,
            &["SNAPSHOTS_PATH", word],
        );
        let file = world.env_file().display().to_string();
        let checked = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
            .args(["check", "--env-file", &file])
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert_eq!(checked.status.code(), Some(1), "{said}");
        assert!(
            said.contains("problem: SNAPSHOTS_PATH") && said.contains(word),
            "{said}"
        );
        std::fs::remove_file(&snapshots).expect("unlinked");
        std::fs::create_dir(&snapshots).expect("made");
    }
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
}

#[test]
fn what_changes_during_the_pull_is_found_right_before_the_stop() {
    let world = World::new(Kind::Fake);
    let (agent, old) = world.running_one();
    world.push_runtime("2.0.0");
    let fake = world.fake.as_ref().expect("a fake engine");
    let (snapshots, env_file) = (world.path("volumes/snapshots"), world.path("runtime.env"));
    let mode = |mode| {
        std::fs::set_permissions(&env_file, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    let meanwhile = |change: &dyn Fn()| {
        let gate = fake.controls().gate(Verb::ImagePull);
        std::thread::scope(|scope| {
            let client = scope.spawn(|| agent.deploy(&world.image("2.0.0")));
            assert!(gate.reached_within(ARRIVAL), "the pull never comes");
            change();
            gate.release();
            client.join().expect("answered")
        })
    };
    let answer = meanwhile(&|| mode(0o666));
    refused_at(
        &world,
        &old,
        "verify",
        &answer,
        &["RUNTIME_ENV_FILE", "chmod"],
    );
    mode(0o600);
    let answer = meanwhile(&|| relink(&snapshots, &world.path("state")));
    let words = ["SNAPSHOTS_PATH", "STATE_DIRECTORY"];
    refused_at(&world, &old, "verify", &answer, &words);
    std::fs::remove_file(&snapshots).expect("unlinked");
    std::fs::create_dir(&snapshots).expect("made");
    let answer = meanwhile(&|| std::fs::remove_dir(&snapshots).expect("removed"));
    refused_at(&world, &old, "verify", &answer, &["SNAPSHOTS_PATH"]);
}

#[test]
fn a_runtime_env_that_others_may_write_refuses_deploys() {
    let world = World::new(Kind::Fake);
    let (agent, old) = world.running_one();
    let file = world.path("runtime.env");
    for mode in [0o660, 0o602] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
        let answer = agent.deploy(&world.image("1.0.0"));
        let fix = format!("chmod go-w {}", file.display());
        refused_at(
            &world,
            &old,
            "preflight",
            &answer,
            &["RUNTIME_ENV_FILE", &fix],
        );
    }
    assert_eq!(agent.stop().status, 200, "a stop needs no environment");
}

#[test]
fn paths_that_overlap_as_they_are_written_end_the_start() {
    let mut world = World::new(Kind::Fake);
    let state = world.path("state/inside").display().to_string();
    world.set("AUDIT_EVENTS_PATH", &state);
    let mut agent = Agent::launch(&world.env_file(), world.port, &world.path("agent.log"), &[]);
    assert_eq!(agent.wait().code(), Some(78));
    let said = agent.log();
    assert!(
        said.contains("setting AUDIT_EVENTS_PATH") && said.contains("STATE_DIRECTORY"),
        "{said}"
    );
}

#[test]
fn a_second_agent_of_the_container_does_not_start_whatever_its_state_directory() {
    let mut world = World::new(Kind::Fake);
    let (agent, old) = world.running_one();
    let other = world.path("elsewhere/state");
    std::fs::create_dir(world.path("elsewhere")).expect("made");
    world.set("STATE_DIRECTORY", &other.display().to_string());
    world.set("PORT", &crate::harness::free_port().to_string());
    let log = world.path("second.log");
    let mut second = Agent::launch(&world.env_file(), 0, &log, &[]);
    assert_eq!(second.wait().code(), Some(75));
    let said = second.log();
    let named = format!("CONTAINER_NAME {}: another agent", world.name);
    let holder = format!("process {} of user", agent.pid());
    assert!(said.contains(&named) && said.contains(&holder), "{said}");
    assert!(!other.exists(), "it leaves nothing behind");
    assert_eq!(world.identity(), old);

    let file = world.env_file().display().to_string();
    let check = || {
        let checked = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
            .args(["check", "--env-file", &file])
            .output()
            .expect("it runs");
        String::from_utf8_lossy(&checked.stderr).into_owned()
    };
    let said = check();
    assert!(
        said.contains("problem: CONTAINER_NAME") && said.contains(&holder),
        "{said}"
    );
    agent.signal("KILL");
    drop(agent);
    let said = check();
    assert!(
        !said.contains("CONTAINER_NAME"),
        "the kernel takes the lock back: {said}"
    );
    let second = Agent::start(&world.env_file(), world_port(&world), &log, &[]);
    assert_eq!(second.status()["running"], true);
}

fn world_port(world: &World) -> u16 {
    world.settings["PORT"].parse().expect("a port")
}

/// What systemd does for a service with a socket unit: the sockets are descriptors from 3 on, named by two variables.
const HAND_OVER: &str = r#"
import os, socket, sys
kinds, program = sys.argv[1].split(","), sys.argv[2:]
keep = []
for kind in kinds:
    what, _, address = kind.partition("=")
    if what == "tcp":
        s = socket.create_server(("127.0.0.1", int(address)))
    elif what == "unheard":
        s = socket.socket(); s.bind(("127.0.0.1", int(address)))
    elif what == "udp":
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", int(address)))
    elif what == "lock":
        s = socket.socket(socket.AF_UNIX); s.bind("\0dreichor-deploy-agent/" + address); s.listen()
    keep.append(s)
for index, s in enumerate(keep):
    os.dup2(s.fileno(), 50 + index)
for index in range(len(keep)):
    os.dup2(50 + index, 3 + index, inheritable=True)
os.environ.update(LISTEN_FDS=str(len(keep)), LISTEN_PID=str(os.getpid()))
os.execv(program[0], program)
"#;

fn handed_over(world: &World, sockets: &str) -> Agent {
    let mut program = Command::new("python3");
    program.args(["-c", HAND_OVER, sockets, env!("CARGO_BIN_EXE_deploy-agent")]);
    let log = world.path("agent.log");
    Agent::launch_by(program, &world.env_file(), world.port, &log, &[])
}

#[test]
fn sockets_that_systemd_holds_are_taken_over() {
    let world = World::new(Kind::Fake);
    let agent = handed_over(&world, &format!("tcp={},lock={}", world.port, world.name)).listening();
    assert_eq!(agent.status()["running"], false);
    let log = agent.log();
    assert!(
        log.contains(&format!("listens on 127.0.0.1:{}", world.port)),
        "{log}"
    );
    drop(agent);
    // One of the two is enough; the other is made as without systemd.
    let agent = handed_over(&world, &format!("tcp={}", world.port)).listening();
    assert_eq!(agent.status()["running"], false);
}

#[test]
fn a_socket_that_is_not_of_these_settings_is_refused_by_name() {
    let world = World::new(Kind::Fake);
    let port = crate::harness::free_port();
    let own = world.port;
    for (sockets, named) in [
        (format!("tcp={port}"), format!("127.0.0.1:{port}")),
        (
            format!("unheard={own}"),
            "on which nothing listens".to_owned(),
        ),
        (format!("udp={own}"), "no stream socket".to_owned()),
        (
            format!("tcp={own},lock=other-{}", world.name),
            format!("@dreichor-deploy-agent/other-{}", world.name),
        ),
        (
            format!("tcp={own},tcp={port}"),
            "one socket too many".to_owned(),
        ),
    ] {
        let mut agent = handed_over(&world, &sockets);
        assert_eq!(agent.wait().code(), Some(78), "{}", agent.log());
        let said = agent.log();
        let last = said.lines().last().expect("a line");
        assert!(
            last.contains("LISTEN_FDS") && last.contains(&named),
            "{named}: {said}"
        );
        assert!(
            last.contains("dreichor-deploy-agent-setup install dev"),
            "{said}"
        );
        assert!(!world.path("state").exists(), "nothing is written");
    }
}

/// Whoever writes one of these files chooses what runs: the repository, the token, the login, the keys.
#[test]
fn check_names_every_file_that_others_could_write_or_replace() {
    let mut world = World::new(Kind::Fake);
    let key = world.path("keys/pipeline.pub");
    std::fs::create_dir(world.path("keys")).expect("made");
    std::fs::write(world.path("docker/config.json"), "{}").expect("written");
    std::fs::write(&key, crate::signatures::signer::Signer::new().pem()).expect("written");
    world.set("SIGNATURE_POLICY", "warn");
    world.set("SIGNATURE_KEYS", &key.display().to_string());
    let set = |path: &Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("set");
    };
    let named = |path: &Path| {
        let (code, said, problems) = crate::command_line::checked(&world);
        let fix = format!("chmod go-w {}", path.display());
        let problem = problems.lines().any(|line| line.ends_with(&fix));
        assert!(!problem || code == Some(1), "{said}{problems}");
        problem
    };
    let env_file = world.env_file();
    for file in [
        &env_file,
        &world.path("runtime.env"),
        &world.path("docker/config.json"),
        &key,
    ] {
        let directory = file.parent().expect("a directory");
        for (path, wrong) in [(file.as_path(), 0o664), (directory, 0o770)] {
            let right = path.metadata().expect("there").permissions().mode();
            assert!(!named(path), "{}", path.display());
            set(path, wrong);
            assert!(named(path), "{}", path.display());
            set(path, right);
        }
    }
    // Root, who checks, does not know whose agent it is to be.
    std::os::unix::fs::chown(&env_file, Some(12345), None).expect("needs root");
    let (_, said, problems) = crate::command_line::checked(&world);
    let owner = "belongs to user 12345, who may rewrite it";
    assert!(
        said.contains(owner) && !problems.contains(owner),
        "{said}{problems}"
    );
}
