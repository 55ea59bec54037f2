//! A host of the old agent starts this one: its files are where they were and are not touched.

use std::process::Command;

use crate::harness::{CANARY, Kind, World, until};

/// What a host of the previous agent has already.
const OLD_ENV: &str = "# deploy agent\nENVIRONMENT=dev\nCONTAINER_NAME=dreichor-runtime-dev\n\
    AUDIT_EVENTS_PATH=/opt/dreichor/dev/volumes/audit-events\nSNAPSHOTS_PATH=\"/opt/dreichor/dev/volumes/snapshots\"\n\
    ALLOW_EXECUTION_PLANE=paper\nNODE_ENV=production\nAGENT_SECRET_OF_OLD=x\n";

/// A trail is found by the name of its environment: where it is unless the settings say otherwise, and where they say.
#[test]
fn history_and_verify_find_a_trail_by_the_name_of_its_environment() {
    let world = World::new(Kind::Fake);
    let agent = world.agent();
    assert_eq!(agent.stop().status, 200);
    drop(agent);
    let opt = world.path("opt/dreichor");
    std::fs::create_dir_all(opt.join("dev/deploy-agent")).expect("made");
    std::fs::create_dir_all(opt.join("prod/deploy-agent")).expect("made");
    let state = world.path("state").display().to_string();
    std::fs::write(
        opt.join("prod/deploy-agent/.env"),
        format!("ENVIRONMENT=prod\nSTATE_DIRECTORY={state}\n"),
    )
    .expect("written");
    let copied = Command::new("cp")
        .arg("-r")
        .args([world.path("state"), opt.join("dev/deploy-agent/state")])
        .status();
    assert!(copied.expect("cp runs").success());
    let ask = |arguments: &str| {
        let program = env!("CARGO_BIN_EXE_deploy-agent");
        let script = format!(
            "mount --bind {} /opt && exec {program} {arguments}",
            world.path("opt").display()
        );
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("a path"))
            .output()
            .expect("unshare runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).expect("text"))
    };
    for environment in ["dev", "prod"] {
        let (code, said) = ask(&format!("history {environment}"));
        assert!(code == Some(0) && said.contains(" stop "), "{said}");
        let (code, said) = ask(&format!("verify {environment}"));
        assert!(code == Some(0) && said.contains("intact: "), "{said}");
    }
    std::fs::remove_dir_all(opt.join("dev/deploy-agent/state")).expect("removed");
    for command in ["history", "verify"] {
        let (code, said) = ask(&format!("{command} dev"));
        assert!(
            code == Some(1) && said.contains("/opt/dreichor/dev/deploy-agent/state: "),
            "{said}"
        );
    }
}

#[test]
fn the_files_of_the_old_agent_start_this_one_unchanged() {
    let world = World::new(Kind::Fake);
    world.push("1.0.0", &["run"]);
    // A private /opt: in a mount namespace of its own, with the old layout laid over it.
    let opt = world.path("opt/dreichor/dev");
    for directory in ["deploy-agent", "volumes/audit-events", "volumes/snapshots"] {
        std::fs::create_dir_all(opt.join(directory)).expect("made");
    }
    let env = format!(
        "{OLD_ENV}IMAGE_REPOSITORY={}\nDOCKER_HOST={}\n",
        world.repository, world.settings["DOCKER_HOST"]
    );
    std::fs::write(opt.join("deploy-agent/.env"), &env).expect("written");
    let runtime = format!("EXECUTION_PLANE=paper\nDATABASE_URL={CANARY}\n");
    std::fs::write(opt.join("runtime.env"), &runtime).expect("written");
    let script = format!(
        "mount --bind {} /opt && exec {} serve --env-file /opt/dreichor/dev/deploy-agent/.env",
        world.path("opt").display(),
        env!("CARGO_BIN_EXE_deploy-agent")
    );
    let log = std::fs::File::create(world.path("agent.log")).expect("a log");
    let mut agent = Command::new("unshare")
        .args(["--mount", "--net", "sh", "-c"])
        .arg(format!("ip link set lo up 2>/dev/null; {script}"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("a path"))
        .stderr(log)
        .spawn()
        .expect("unshare runs");
    let said = || std::fs::read_to_string(world.path("agent.log")).unwrap_or_default();
    until(
        "it listens on 3005",
        std::time::Duration::from_secs(20),
        || said().contains("listens on 127.0.0.1:3005"),
    );
    assert!(
        opt.join("deploy-agent/state/audit.jsonl").exists(),
        "the default state directory"
    );
    agent.kill().expect("killed");
    agent.wait().expect("waited for");
    assert_eq!(
        std::fs::read_to_string(opt.join("deploy-agent/.env")).expect("read"),
        env
    );
    assert_eq!(
        std::fs::read_to_string(opt.join("runtime.env")).expect("read"),
        runtime
    );
}
