//! A host of the old agent starts this one: its files are where they were and are not touched.

use std::process::Command;

use crate::harness::{CANARY, Kind, World, until};

/// What a host of the previous agent has already.
const OLD_ENV: &str = "# deploy agent\nENVIRONMENT=dev\nCONTAINER_NAME=dreichor-runtime-dev\n\
    AUDIT_EVENTS_PATH=/opt/dreichor/dev/volumes/audit-events\nSNAPSHOTS_PATH=\"/opt/dreichor/dev/volumes/snapshots\"\n\
    ALLOW_EXECUTION_PLANE=paper\nNODE_ENV=production\nAGENT_SECRET_OF_OLD=x\n";

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
