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

#[test]
fn an_outage_that_no_operation_caused_is_told() {
    let mut world = World::new(Kind::Fake);
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.set("RUNTIME_RESTART_POLICY", "no");
    let (_agent, _) = world.running_one();
    let watch = watch(&world, &command(&world));
    until("it has begun", Duration::from_secs(15), || {
        world.path("told-of/told").exists()
    });
    world.act(&world.id(), "kill");
    until("it is told", Duration::from_secs(30), || {
        !kept(&world).is_empty()
    });
    let told = kept(&world);
    assert_eq!(told[0]["kind"], "observed", "{told:?}");
    assert_eq!(told[0]["down"], true, "{told:?}");
    end(watch);
}

/// Runs an example with an event on its standard input.
fn example(name: &str, directory: &Path, event: &str) -> std::process::Output {
    let mut child = Command::new(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("deploy/alert")
            .join(name),
    )
    .env_clear()
    .env("PATH", format!("{}:/usr/bin:/bin", directory.display()))
    .env("DREICHOR_ENVIRONMENT", "prod")
    .env("DREICHOR_WEBHOOK_FILE", directory.join("url"))
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("the example starts");
    let mut input = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, event.as_bytes()).expect("taken");
    drop(input);
    child.wait_with_output().expect("it ended")
}

const EVENT: &str = r#"{"kind":"deploy","outcome":"failed","image":"r/x:1.0.1","failed_step":"pull","reason":"no \"such\" tag"}
"#;

#[test]
fn the_example_of_a_mail_says_what_failed_and_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let (sendmail, mail) = (
        directory.path().join("sendmail"),
        directory.path().join("mail"),
    );
    let text = format!(
        "#!/bin/sh\necho \"$@\" >'{0}'\ncat >>'{0}'\n",
        mail.display()
    );
    std::fs::write(&sendmail, text).expect("written");
    std::fs::set_permissions(&sendmail, std::fs::Permissions::from_mode(0o755)).expect("set");
    let ended = example("mail", directory.path(), EVENT);
    assert!(ended.status.success(), "{ended:?}");
    let mail = std::fs::read_to_string(mail).expect("a mail");
    for line in [
        "-i -t",
        "Subject: [dreichor prod] deploy failed",
        "image:  r/x:1.0.1",
        "step:   pull",
        "reason: no \"such\" tag",
        EVENT.trim_end(),
    ] {
        assert!(mail.lines().any(|found| found == line), "{line}: {mail}");
    }
    // Of what was observed between operations.
    let seen = r#"{"kind":"observed","observed":"killed","by":"somebody"}"#;
    assert!(example("mail", directory.path(), seen).status.success());
    let mail = std::fs::read_to_string(directory.path().join("mail")).expect("a mail");
    assert!(
        mail.contains("] observed killed\n") && mail.contains("by:     somebody"),
        "{mail}"
    );
}

#[test]
fn the_example_of_a_web_hook_posts_the_event_and_fails_when_it_is_not_taken() {
    use std::io::{BufRead, BufReader, Read, Write};
    let directory = tempfile::tempdir().expect("a directory");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    std::fs::write(
        directory.path().join("url"),
        format!("http://{address}/hook\n"),
    )
    .expect("written");
    for (answer, succeeds) in [("200 OK", true), ("500 No", false)] {
        let ended = std::thread::scope(|scope| {
            let posts = scope.spawn(|| example("webhook", directory.path(), EVENT));
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).expect("a head");
            }
            assert!(
                head.starts_with("POST /hook ") && head.contains("application/json"),
                "{head}"
            );
            let mut body = vec![0; EVENT.len()];
            reader.read_exact(&mut body).expect("a body");
            assert_eq!(body, EVENT.as_bytes());
            let reply =
                format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(reply.as_bytes()).expect("taken");
            posts.join().expect("ended")
        });
        assert_eq!(ended.status.success(), succeeds, "{ended:?}");
    }
}
