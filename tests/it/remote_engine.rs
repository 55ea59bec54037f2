//! An engine behind TCP, with TLS and without: the same operations, and a clear answer when one side does not trust
//! the other.

use std::io::copy;
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Agent, CLIENT_SECRET, Kind, World, free_port, real_socket, until};

fn deploys_shows_and_stops(world: &World, agent: &Agent) {
    for tag in ["1.0.0", "2.0.0"] {
        let answer = agent.deploy(&world.image(tag));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(agent.status()["image"], world.image(tag));
    }
    assert_eq!(agent.stop().status, 200);
    assert_eq!(agent.status()["running"], false);
    assert_eq!(world.count(), 0);
}

/// Makes a port of a socket; ends with the process.
fn port_of(socket: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let engine = UnixStream::connect(&socket).expect("connected");
            let (from, to) = (
                client.try_clone().expect("cloned"),
                engine.try_clone().expect("cloned"),
            );
            std::thread::spawn(move || {
                // Either end may go first.
                copy(&mut &from, &mut &to).ok();
                to.shutdown(Shutdown::Write).ok();
            });
            std::thread::spawn(move || {
                copy(&mut &engine, &mut &client).ok();
                client.shutdown(Shutdown::Both).ok();
            });
        }
    });
    port
}

fn over_plain_tcp(mut world: World, socket: PathBuf) {
    let port = port_of(socket);
    world.set("DOCKER_HOST", &format!("tcp://127.0.0.1:{port}"));
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    deploys_shows_and_stops(&world, &agent);
}

#[test]
fn the_fake_engine_is_used_over_plain_tcp() {
    let world = World::new(Kind::Fake);
    let socket = world.path("engine.sock");
    over_plain_tcp(world, socket);
}

#[test]
fn the_real_engine_is_used_over_plain_tcp() {
    over_plain_tcp(World::new(Kind::Real), real_socket());
}

fn openssl(directory: &Path, command: &str) {
    let done = Command::new("openssl")
        .args(command.split(' '))
        .current_dir(directory)
        .output();
    let done = done.expect("openssl is installed; ./tests/run does that");
    assert!(
        done.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// An authority that trusts one server and one client: `ca.pem`, `server-*.pem`, and `client/` as Docker names its files.
fn authority(directory: &Path) {
    std::fs::create_dir_all(directory.join("client")).expect("made");
    std::fs::write(
        directory.join("server.ext"),
        "subjectAltName=IP:127.0.0.1\n",
    )
    .expect("written");
    std::fs::write(
        directory.join("client.ext"),
        "extendedKeyUsage=clientAuth\n",
    )
    .expect("written");
    openssl(
        directory,
        &format!("req -x509 {EC} -keyout ca-key.pem -out ca.pem -subj /CN=authority -days 2"),
    );
    for (who, key, cert) in [
        ("server", "server-key.pem", "server-cert.pem"),
        ("client", "client/key.pem", "client/cert.pem"),
    ] {
        openssl(
            directory,
            &format!("req {EC} -keyout {key} -out {who}.csr -subj /CN={who}"),
        );
        openssl(
            directory,
            &format!(
                "x509 -req -in {who}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out {cert} -days 2 -extfile {who}.ext"
            ),
        );
    }
    std::fs::copy(directory.join("ca.pem"), directory.join("client/ca.pem")).expect("copied");
}

/// A real engine that serves TLS and asks for its authority's certificates.
fn behind_tls() -> World {
    let mut world = World::new(Kind::Real);
    let tls = world.path("tls");
    authority(&tls);
    authority(&world.path("other"));
    let port = free_port();
    let file = |option: &str, name: &str| format!("--{option}={}", tls.join(name).display());
    world.own_engine_with(&[
        format!("--host=tcp://127.0.0.1:{port}"),
        "--tlsverify".to_owned(),
        file("tlscacert", "ca.pem"),
        file("tlscert", "server-cert.pem"),
        file("tlskey", "server-key.pem"),
    ]);
    world.set("DOCKER_HOST", &format!("tcp://127.0.0.1:{port}"));
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    world
}

#[test]
fn an_engine_behind_tls_is_used_and_a_wrong_certificate_is_named() {
    let mut world = behind_tls();
    let set = |world: &mut World, path: PathBuf| {
        world.set("DOCKER_CERT_PATH", &path.display().to_string())
    };
    let good = world.path("tls/client");
    set(&mut world, good);
    let agent = world.agent();
    deploys_shows_and_stops(&world, &agent);
    drop(agent);
    for (what, file, from, named) in [
        (
            "another authority",
            "ca.pem",
            "other/client/ca.pem",
            "does not verify against ca.pem",
        ),
        (
            "an authority that is none",
            "ca.pem",
            "runtime.env",
            "ca.pem cannot be used: it holds no certificate",
        ),
        (
            "a stranger's certificate",
            "cert.pem",
            "other/client/cert.pem",
            "cert.pem and key.pem",
        ),
        (
            "no key",
            "key.pem",
            "",
            "key.pem cannot be used: No such file",
        ),
        (
            "no certificate",
            "cert.pem",
            "",
            "cert.pem cannot be used: No such file",
        ),
    ] {
        let wrong = world.path("wrong");
        std::fs::remove_dir_all(&wrong).ok();
        std::fs::create_dir(&wrong).expect("made");
        for name in ["key.pem", "cert.pem", "ca.pem"] {
            std::fs::copy(world.path("tls/client").join(name), wrong.join(name)).expect("copied");
        }
        std::fs::remove_file(wrong.join(file)).expect("removed");
        if !from.is_empty() {
            std::fs::copy(world.path(from), wrong.join(file)).expect("copied");
        }
        if what == "a stranger's certificate" {
            std::fs::copy(world.path("other/client/key.pem"), wrong.join("key.pem"))
                .expect("copied");
        }
        set(&mut world, wrong);
        is_told(&world, what, named);
    }
}

/// The deploy is answered 503 at once, the reason and the log name what is wrong, and nothing of a key is said.
fn is_told(world: &World, what: &str, named: &str) {
    std::fs::remove_file(world.path("agent.log")).expect("removed");
    let agent = world.agent();
    let begun = Instant::now();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{what}: {:?}",
        begun.elapsed()
    );
    assert_eq!(answer.status, 503, "{what}: {}", answer.body);
    let reason = answer.reason();
    assert!(reason.contains(named), "{what}: {reason}");
    assert_eq!(agent.status_answer().status, 503, "{what}");
    assert_eq!(agent.stop().status, 503, "{what}");
    let log = agent.log();
    assert!(log.contains(named), "{what}: {log}");
    assert!(
        !log.contains("PRIVATE KEY") && !log.contains(CLIENT_SECRET),
        "{what}"
    );
    assert!(!log.contains("panicked"), "{what}: {log}");
}

#[test]
fn tls_asked_of_an_engine_without_it_is_told() {
    let mut world = World::new(Kind::Real);
    let tls = world.path("tls");
    authority(&tls);
    let port = port_of(real_socket());
    world.set("DOCKER_HOST", &format!("tcp://127.0.0.1:{port}"));
    world.set(
        "DOCKER_CERT_PATH",
        &tls.join("client").display().to_string(),
    );
    std::fs::write(world.path("agent.log"), "").expect("written");
    is_told(&world, "no TLS", "it does not speak TLS");
}

/// As in a unit without the drop-in: no name is found, and nobody answers.
#[test]
fn where_another_host_cannot_be_reached_check_and_the_log_name_the_drop_in() {
    const HINT: &str = "a unit needs the drop-in network.conf for it";
    let mut world = World::new(Kind::Fake);
    world.set("DOCKER_HOST", "tcp://engine.invalid:2375");
    world.set("DOCKER_ALLOW_PLAIN_TCP", "true");
    world.set("CF_ACCESS_TEAM_DOMAIN", "team.invalid");
    world.set("CF_ACCESS_AUD", "aud");
    let (code, _, problems) = crate::command_line::checked(&world);
    assert_eq!(code, Some(1), "{problems}");
    for variable in ["DOCKER_HOST", "CF_ACCESS_TEAM_DOMAIN"] {
        let hinted = |line: &str| line.contains(variable) && line.contains(HINT);
        assert!(problems.lines().any(hinted), "{variable}: {problems}");
    }
    let agent = world.agent();
    for said in ["no Access key set from", "the view of the container ages"] {
        let hinted = |line: &str| line.contains(said) && line.contains(HINT);
        until(said, Duration::from_secs(30), || {
            agent.log().lines().any(hinted)
        });
    }
}
