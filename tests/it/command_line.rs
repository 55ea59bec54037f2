//! The commands beside `serve`, and wrong settings.

use std::process::{Command, Output};
use std::time::Duration;

use crate::harness::{CANARY, Kind, World, until};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .args(arguments)
        .env_clear()
        .output()
        .expect("the agent runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_wrong_setting_is_named_at_once_and_serve_exits_78() {
    let mut world = World::new(Kind::Fake);
    world.set("CONTAINER_NAME", "no-suffix");
    world.set("STOP_GRACE_SECONDS", "soon");
    world.set("ALLOW_EXECUTION_PLANE", "");
    world.unset("SNAPSHOTS_PATH");
    let file = world.env_file();
    for command in ["serve", "check"] {
        let output = run(&[command, "--env-file", &file.display().to_string()]);
        assert_eq!(output.status.code(), Some(78), "{command}");
        let said = text(&output.stderr);
        for name in [
            "CONTAINER_NAME",
            "STOP_GRACE_SECONDS",
            "ALLOW_EXECUTION_PLANE",
            "SNAPSHOTS_PATH",
        ] {
            assert!(
                said.contains(name),
                "{command} does not name {name}: {said}"
            );
        }
    }
}

#[test]
fn check_shows_the_settings_and_blanks_secrets() {
    let mut world = World::new(Kind::Fake);
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    world.set("CF_ACCESS_CLIENT_ID", "ci.access");
    world.set("CF_ACCESS_CLIENT_SECRET_SHA256", hash);
    let file = world.env_file();
    let output = run(&["check", "--env-file", &file.display().to_string()]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(
        out.contains(&format!("CONTAINER_NAME={}", world.name)),
        "{out}"
    );
    assert!(
        out.contains("DATABASE_URL") && !out.contains(CANARY),
        "{out}"
    );
    assert!(!out.contains(hash), "{out}");
    assert!(!world.path("state").exists(), "check makes nothing");
}

#[test]
fn check_names_every_problem() {
    let world = World::new(Kind::Fake);
    std::fs::remove_file(world.path("runtime.env")).expect("removed");
    std::fs::write(world.path("docker/config.json"), "{").expect("written");
    world.fake.as_ref().expect("fake").stop_listening();
    let file = world.env_file();
    let output = run(&["check", "--env-file", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    for name in ["RUNTIME_ENV_FILE", "DOCKER_HOST", "DOCKER_CONFIG"] {
        assert!(said.contains(name), "{name}: {said}");
    }
}

#[test]
fn a_secret_is_hashed_from_standard_input() {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .arg("hash-secret")
        .env_clear()
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the agent runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"test\n").expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let expected = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    assert!(
        text(&output.stdout).contains(expected),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn at_a_terminal_a_secret_is_asked_for_and_not_shown() {
    use std::io::Write;
    let program = env!("CARGO_BIN_EXE_deploy-agent");
    // A terminal of its own for the program; what comes on it is what a person would see.
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("{program} hash-secret"))
        .arg("/dev/null")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("script runs");
    let mut seen = child.stdout.take().expect("a pipe");
    let mut asked = [0; 19];
    std::io::Read::read_exact(&mut seen, &mut asked).expect("it asks");
    assert_eq!(&asked, b"the token's secret ");
    // Only now: what was typed before would be shown by the terminal itself.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"test\n").expect("written");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut seen, &mut rest).expect("it ends");
    assert!(child.wait().expect("it ends").success());
    assert!(rest.contains("9f86d081884c7d65"), "{rest}");
    assert!(!rest.contains("test"), "{rest}");
}

#[test]
fn a_reader_that_leaves_early_changes_no_exit_status() {
    let world = World::new(Kind::Fake);
    let _agent = world.agent();
    let (file, state) = (world.env_file(), world.path("state"));
    let (file, state) = (file.display().to_string(), state.display().to_string());
    for (arguments, code) in [
        (["check", "--env-file", &file], 0),
        (["check", "--env-file", "/nowhere/at/all"], 78),
        (["history", "--json", &state], 0),
        (["verify", "--partial", &state], 0),
    ] {
        let (reader, nobody) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
            .args(arguments)
            .env_clear()
            .stdout(nobody.try_clone().expect("a second"))
            .stderr(nobody)
            .status()
            .expect("the agent runs");
        assert_eq!(status.code(), Some(code), "{arguments:?}: {status}");
    }
    let (reader, nobody) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = world
        .operator_command("status", &[])
        .stdout(nobody)
        .status();
    assert_eq!(status.expect("the agent runs").code(), Some(0));
}

#[test]
fn the_trail_of_a_deploy_is_shown_and_checked() {
    let world = World::new(Kind::Fake);
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert_eq!(agent.deploy(&world.image("9.9.9")).status, 502);
    let state = world.path("state").display().to_string();
    let output = run(&["history", &state]);
    let table = text(&output.stdout);
    assert!(
        output.status.success() && table.contains("1.0.0"),
        "{table}"
    );
    assert!(table.contains("pull"), "{table}");
    let json = run(&["history", "--json", "--failed", &state]);
    let lines = text(&json.stdout);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let checked = run(&["verify", &state]);
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    drop(agent);
    let trail = world.path("state/audit.jsonl");
    let changed = std::fs::read_to_string(&trail)
        .expect("read")
        .replacen("1.0.0", "1.0.1", 1);
    std::fs::write(&trail, changed).expect("written");
    let checked = run(&["verify", &state]);
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked.stdout));
}

pub fn checked(world: &World) -> (Option<i32>, String, String) {
    let file = world.env_file();
    let output = run(&["check", "--env-file", &file.display().to_string()]);
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn check_names_directories_that_are_not_there_and_a_database_that_is_not_named() {
    let mut world = World::new(Kind::Fake);
    world.set("AUDIT_EVENTS_PATH", "/no/such/directory");
    world.write_runtime_env("EXECUTION_PLANE=paper\nDATABASE_URL=\n");
    let (code, _, problems) = checked(&world);
    assert_eq!(code, Some(1));
    for part in [
        "AUDIT_EVENTS_PATH /no/such/directory",
        "DATABASE_URL is missing or empty",
    ] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
}

#[test]
fn check_tells_that_others_may_read_the_runtimes_environment() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new(Kind::Fake);
    let file = world.path("runtime.env");
    for (mode, told) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
        let (_, said, problems) = checked(&world);
        let all = said + &problems;
        assert_eq!(all.contains("others may read"), told, "{mode:o}: {all}");
    }
}

#[test]
fn check_tells_what_it_ignores_and_may_be_meant_for_a_setting() {
    let mut world = World::new(Kind::Fake);
    world.set("STOP_GRACE_SECOND", "5");
    world.set("NODE_ENV", "production");
    let (code, said, problems) = checked(&world);
    assert_eq!(code, Some(0), "{problems}");
    assert!(
        said.contains("note: STOP_GRACE_SECOND is no setting of this agent and is ignored; is it meant for STOP_GRACE_SECONDS?"),
        "{said}"
    );
    assert!(!said.contains("NODE_ENV"), "{said}");
}

#[test]
fn check_names_a_state_directory_that_serve_would_refuse() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new(Kind::Fake);
    let state = world.path("state");
    std::fs::create_dir(&state).expect("made");
    let mode = |mode| std::fs::set_permissions(&state, std::fs::Permissions::from_mode(mode));
    mode(0o755).expect("set");
    let (code, _, problems) = checked(&world);
    assert_eq!(code, Some(1));
    assert!(problems.contains("STATE_DIRECTORY"), "{problems}");
    assert!(problems.contains("mode 0755"), "{problems}");
    mode(0o700).expect("set");
    assert_eq!(checked(&world).0, Some(0));
    std::fs::write(state.join("environment"), "prod\n").expect("written");
    let (code, _, problems) = checked(&world);
    assert_eq!(code, Some(1));
    assert!(
        problems.contains("belongs to environment prod"),
        "{problems}"
    );
    std::fs::remove_file(state.join("environment")).expect("removed");
    std::fs::create_dir(state.join("audit.jsonl")).expect("made");
    let (code, _, problems) = checked(&world);
    assert_eq!(code, Some(1));
    assert!(
        problems.contains("audit.jsonl is not a regular file"),
        "{problems}"
    );
}

#[test]
fn check_names_a_taken_port_unless_its_own_agent_has_it() {
    let world = World::new(Kind::Fake);
    let taken = std::net::TcpListener::bind(("127.0.0.1", world.port)).expect("bound");
    let (code, _, problems) = checked(&world);
    assert_eq!(code, Some(1));
    assert!(problems.contains("PORT"), "{problems}");
    drop(taken);
    // A process that another test forks at this moment holds the socket until it executes its program.
    until("the port is free", Duration::from_secs(10), || {
        std::net::TcpStream::connect(("127.0.0.1", world.port)).is_err()
    });
    let _agent = world.agent();
    let (code, said, problems) = checked(&world);
    assert_eq!(code, Some(0), "{problems}");
    assert!(said.contains("in use by the agent that runs"), "{said}");
}

#[test]
fn check_names_a_key_set_that_cannot_be_fetched() {
    let mut world = World::new(Kind::Fake);
    world.set("CF_ACCESS_TEAM_DOMAIN", "x.cloudflareaccess.com");
    world.set("CF_ACCESS_AUD", "aud");
    world.set("CF_ACCESS_CERTS_URL", "http://127.0.0.1:1/certs");
    let (code, _, problems) = checked(&world);
    assert_eq!(code, Some(1));
    assert!(problems.contains("http://127.0.0.1:1/certs"), "{problems}");
    assert!(problems.contains("Connection refused"), "{problems}");
    assert!(!problems.contains("network.conf"), "{problems}");
}

#[test]
fn check_tells_what_of_dockers_configuration_is_not_handed_on() {
    let world = World::new(Kind::Fake);
    let proxies = r#"{"proxies":{"default":{"httpProxy":"http://me:s3cret@proxy:3128"}}}"#;
    std::fs::write(world.path("docker/config.json"), proxies).expect("written");
    let (code, said, problems) = checked(&world);
    assert_eq!(code, Some(0), "{problems}");
    assert!(said.contains("note: DOCKER_CONFIG sets proxies"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn check_tells_how_the_container_of_the_old_agent_differs() {
    for kind in [Kind::Fake, Kind::Real] {
        let mut world = World::new(kind);
        world.push("1.0.0", &["run"]);
        world.foreign_container("1.0.0", "always");
        world.set("RUNTIME_NETWORK", "none");
        let (code, said, problems) = checked(&world);
        assert_eq!(code, Some(0), "{problems}");
        for part in [
            "its network is host, and none is set here",
            "its restart policy is always, and unless-stopped is set here",
            "it has no bind at /var/lib/dreichor/snapshots",
        ] {
            assert!(said.contains(part), "{kind:?} {part}: {said}");
        }
    }
}

#[test]
fn check_prints_one_variable_as_systemd_reads_it() {
    let world = World::new(Kind::Fake);
    let file = world.path("some.env");
    std::fs::write(&file, "A='x'\"y\"\nexport B=1\n").expect("written");
    let file = file.display().to_string();
    let value = |name| {
        let output = run(&["check", "--env-file", &file, "--variable", name]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(value("A"), "xy\n");
    assert_eq!(value("B"), "", "systemd drops the line");
}

#[test]
fn a_file_that_systemd_rejects_as_a_whole_is_wrong_settings_for_every_command() {
    let mut world = World::new(Kind::Fake);
    world.set("ENVIRONMENT", "dev\0");
    let file = world.env_file().display().to_string();
    for more in [&["check"][..], &["serve"], &["check", "--variable", "PORT"]] {
        let output = run(&[more, &["--env-file", &file]].concat());
        assert_eq!(output.status.code(), Some(78), "{more:?}");
        let said = text(&output.stderr) + &text(&output.stdout);
        assert!(said.contains("holds a NUL byte"), "{more:?}: {said}");
    }
}

#[test]
fn rust_log_of_the_settings_file_takes_effect() {
    let mut world = World::new(Kind::Fake);
    world.set("RUST_LOG", "warn");
    let file = world.env_file();
    let agent = crate::harness::Agent::start(&file, world.port, &world.path("agent.log"), &[]);
    assert_eq!(agent.status_answer().status, 200);
    drop(agent);
    let log = std::fs::read_to_string(world.path("agent.log")).expect("a log");
    assert!(!log.contains("INFO"), "{log}");
    world.set("RUST_LOG", "info");
    let file = world.env_file();
    let agent = crate::harness::Agent::start(&file, world.port, &world.path("agent.log"), &[]);
    assert_eq!(agent.status_answer().status, 200);
    drop(agent);
    let log = std::fs::read_to_string(world.path("agent.log")).expect("a log");
    assert!(log.contains("INFO"), "{log}");
}

#[test]
fn check_names_a_credential_helper_that_knows_nothing_of_its_registry() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new(Kind::Fake);
    let helper = world.path("docker-credential-empty");
    let script = "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n";
    std::fs::write(&helper, script).expect("written");
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).expect("set");
    let host = world.repository.split('/').next().expect("a host");
    let config = format!("{{\"credHelpers\":{{\"{host}\":\"empty\"}}}}");
    std::fs::write(world.path("docker/config.json"), config).expect("written");
    let path = format!("{}:/usr/bin:/bin", world.directory.path().display());
    let output = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .args([
            "check",
            "--env-file",
            &world.env_file().display().to_string(),
        ])
        .env_clear()
        .env("PATH", path)
        .output()
        .expect("the agent runs");
    let problems = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{problems}");
    let expected =
        format!("docker-credential-empty is configured for {host} and knows nothing of it");
    assert!(problems.contains(&expected), "{problems}");
}

#[test]
fn the_version_carries_the_commit_it_was_built_from() {
    let said = text(&run(&["--version"]).stdout);
    assert_eq!(
        said.trim_end(),
        format!("deploy-agent {}", deploy_agent::VERSION)
    );
    let package = env!("CARGO_PKG_VERSION");
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short=12", "HEAD"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let expected = match git.output() {
        Ok(output) if output.status.success() => {
            format!("{package}+{}", text(&output.stdout).trim_end())
        }
        // An archive without a repository has no commit to tell.
        _ => package.to_owned(),
    };
    assert_eq!(deploy_agent::VERSION, expected);
}

#[test]
fn check_tells_that_deploys_are_frozen_and_that_the_metrics_cannot_be_written() {
    let mut world = World::new(Kind::Fake);
    let metrics = world.path("missing/dreichor-dev.prom");
    world.set("METRICS_FILE", &metrics.display().to_string());
    let _agent = world.agent();
    let freeze = ["--reason", "market hours", "--until", "1h"];
    assert_eq!(world.operator("freeze", &freeze).0, 0);
    let (code, said, problems) = checked(&world);
    assert_eq!(code, Some(0), "neither is a problem: {problems}");
    let all = said + &problems;
    assert!(all.contains("market hours; stops are not"), "{all}");
    assert!(all.contains("METRICS_FILE cannot be written"), "{all}");
    // One that nobody can read holds until somebody ends it.
    std::fs::write(world.path("state/freeze.json"), "{").expect("written");
    let (code, _, problems) = checked(&world);
    assert_eq!(code, Some(1));
    assert!(
        problems.contains("a freeze that cannot be read"),
        "{problems}"
    );
    assert_eq!(world.operator("thaw", &[]).0, 0);
    std::fs::create_dir(world.path("missing")).expect("made");
    let (_, said, problems) = checked(&world);
    let all = said + &problems;
    assert!(
        !all.contains("frozen") && !all.contains("cannot be written"),
        "{all}"
    );
}
