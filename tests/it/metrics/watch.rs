//! The command of the operator's that is run on each operation that did not succeed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Kind, World, until};

/// The watch as its unit starts it.
fn watch(world: &World, command: &Path) -> Child {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs = Path::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .parent()
        .expect("a directory");
    std::fs::create_dir_all(world.path("told-of")).expect("made");
    Command::new(root.join("deploy/alert/watch"))
        .arg(world.path("state"))
        .arg(world.path("told-of"))
        .arg(command)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("DREICHOR_ENVIRONMENT", "dev")
        .stdin(Stdio::null())
        .spawn()
        .expect("the script starts")
}

fn end(mut watch: Child) {
    let pid = watch.id().to_string();
    Command::new("kill").arg(pid).status().expect("kill runs");
    watch.wait().expect("it ended");
}

/// A command that keeps what it is told, while `allowed` is there.
fn command(world: &World) -> std::path::PathBuf {
    let path = world.path("alert");
    let (kept, allowed) = (world.path("kept"), world.path("allowed"));
    let text = format!(
        "#!/bin/sh\ntest -e '{}' || exit 7\ncat >>'{}'\n",
        allowed.display(),
        kept.display()
    );
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
    std::fs::write(allowed, "").expect("written");
    path
}

fn kept(world: &World) -> Vec<Value> {
    let text = std::fs::read_to_string(world.path("kept")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn each_failed_operation_is_told_once_and_again_when_the_command_failed() {
    let mut world = World::new(Kind::Fake);
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    // The one that was there before is among them.
    let remembered = |count: usize| {
        let told = std::fs::read_to_string(world.path("told-of/told")).unwrap_or_default();
        told.lines().count() == count + 1
    };
    let told = |count: usize| {
        until(&format!("{count} told"), Duration::from_secs(15), || {
            kept(&world).len() >= count && remembered(count)
        });
        let kept = kept(&world);
        assert_eq!(kept.len(), count, "{kept:?}");
        kept
    };
    let fails = |tag: &str| assert_eq!(agent.deploy(&world.image(tag)).status, 502);
    fails("before");
    let command = command(&world);
    let first = watch(&world, &command);
    until("it has begun", Duration::from_secs(15), || {
        world.path("told-of/told").exists()
    });
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    fails("missing-1");
    let one = told(1);
    assert_eq!(one[0]["image"], world.image("missing-1"));
    assert_eq!(one[0]["outcome"], "failed");
    assert_eq!(one[0]["failed_step"], "pull");
    end(first);
    // What fails while nobody watches is told by the next, and nothing twice.
    fails("missing-2");
    let second = watch(&world, &command);
    assert_eq!(told(2)[1]["image"], world.image("missing-2"));
    end(second);
    // A command that fails ends the watch with its status; the next tells it again.
    std::fs::remove_file(world.path("allowed")).expect("removed");
    fails("missing-3");
    let status = watch(&world, &command).wait().expect("it ended");
    assert_eq!(status.code(), Some(7));
    assert_eq!(kept(&world).len(), 2);
    std::fs::write(world.path("allowed"), "").expect("written");
    let last = watch(&world, &command);
    assert_eq!(told(3)[2]["image"], world.image("missing-3"));
    end(last);
}
