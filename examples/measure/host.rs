//! A host with an engine, a registry and the agent's directories; what it made goes with it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use dreichor_test_support::images::ImageSpec;
use dreichor_test_support::registry::Registry;

use crate::engine::Engine;
use crate::server::{CLIENT_ID, CLIENT_SECRET, Server, launched, request};

/// The images that replace each other.
pub const TAGS: [&str; 2] = ["1.0.0", "1.0.1"];
const REPOSITORY: &str = "benchmark/runtime";

pub struct Host {
    pub agent_binary: PathBuf,
    pub directory: PathBuf,
    /// The agent's container.
    pub name: String,
    /// The container of the bare calls.
    pub bare_name: String,
    pub repository: String,
    secret_hash: String,
    _registry: Registry,
}

impl Host {
    pub fn furnish(agent_binary: PathBuf, directory: PathBuf, name: &str) -> Self {
        let registry = Registry::start();
        for tag in TAGS {
            let image = ImageSpec::mode(&["run"])
                .salt(format!("{name}:{tag}"))
                .build();
            registry.put(&format!("{name}/{REPOSITORY}"), tag, &image);
        }
        for inside in ["volumes/audit-events", "volumes/snapshots", "docker"] {
            fs::create_dir_all(directory.join(inside)).expect("made");
        }
        let runtime_env = "EXECUTION_PLANE=paper\nDATABASE_URL=postgres://localhost/benchmark\n";
        fs::write(directory.join("runtime.env"), runtime_env).expect("written");
        Self {
            secret_hash: hash_secret(&agent_binary),
            agent_binary,
            directory,
            name: format!("{name}-dev"),
            bare_name: format!("{name}-bare"),
            repository: format!("127.0.0.1:{}/{name}/{REPOSITORY}", registry.port()),
            _registry: registry,
        }
    }

    /// The machine's shape.
    pub fn describe(&self) {
        let version = Engine::connect().call("GET", "/version", None).json();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!(
            "{cores} cores, Linux {}, Docker Engine {}",
            kernel.trim(),
            version["Version"].as_str().unwrap_or("unknown")
        );
    }

    /// Starts the agent with its state in this directory, and waits for its first status.
    pub fn agent(&self, state: &str) -> Server {
        self.agent_by(&[], state)
    }

    /// The same by another command, which gives it a priority.
    pub fn agent_by(&self, launcher: &[&str], state: &str) -> Server {
        self.agent_through(&crate::engine::socket(), launcher, state)
    }

    /// The same, with the engine behind this socket.
    pub fn agent_through(&self, socket: &Path, launcher: &[&str], state: &str) -> Server {
        let port = free_port();
        let shown = |inside: &str| self.directory.join(inside).display().to_string();
        let settings = [
            ("ENVIRONMENT", "dev".to_owned()),
            ("CONTAINER_NAME", self.name.clone()),
            ("ALLOW_EXECUTION_PLANE", "paper".to_owned()),
            ("AUDIT_EVENTS_PATH", shown("volumes/audit-events")),
            ("SNAPSHOTS_PATH", shown("volumes/snapshots")),
            ("RUNTIME_ENV_FILE", shown("runtime.env")),
            ("STATE_DIRECTORY", shown(state)),
            ("IMAGE_REPOSITORY", self.repository.clone()),
            ("DOCKER_CONFIG", shown("docker")),
            ("START_CONFIRMATION_SECONDS", "0".to_owned()),
            ("PORT", port.to_string()),
            ("CF_ACCESS_CLIENT_ID", CLIENT_ID.to_owned()),
            ("CF_ACCESS_CLIENT_SECRET_SHA256", self.secret_hash.clone()),
        ];
        let lines = settings.map(|(name, value)| format!("{name}={value}\n"));
        let env_file = self.directory.join("agent.env");
        fs::write(&env_file, lines.concat()).expect("written");
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.directory.join("agent.log"));
        let mut command = launched(launcher, &self.agent_binary);
        command
            .args(["serve", "--env-file"])
            .arg(&env_file)
            .env_clear()
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .stdin(Stdio::null())
            .stderr(log.expect("a log file"));
        let begun = Instant::now();
        let child = command.spawn().expect("the agent starts");
        let mut server = Server::of(child, port);
        server.await_status();
        server.ready_after = begun.elapsed();
        server
    }

    /// Starts the bare route with a body of this size.
    pub fn bare_front(&self, size: usize) -> Server {
        self.bare_front_by(&[], size)
    }

    /// The same by another command, which gives it a priority.
    pub fn bare_front_by(&self, launcher: &[&str], size: usize) -> Server {
        let own = std::env::current_exe().expect("this program has a path");
        let mut command = launched(launcher, &own);
        command
            .args(["bare-front", &size.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let begun = Instant::now();
        let mut child = command.spawn().expect("the bare route starts");
        let mut port = String::new();
        let out = child.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut port).expect("a port");
        let mut server = Server::of(child, port.trim().parse().expect("a port"));
        server.await_status();
        server.ready_after = begun.elapsed();
        server
    }

    pub fn deploy_request(&self, tag: &str) -> Vec<u8> {
        let body = serde_json::json!({ "image": format!("{}:{tag}", self.repository) });
        request("POST", "/v1/deploy", &body.to_string())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let mut engine = Engine::connect();
        for name in [&self.name, &self.bare_name] {
            engine.sweep(name);
        }
        for tag in TAGS {
            let image = format!("/images/{}:{tag}?force=1", self.repository);
            engine.try_call("DELETE", &image, None);
        }
    }
}

fn hash_secret(agent: &Path) -> String {
    use std::io::Write;
    let mut command = Command::new(agent);
    command
        .arg("hash-secret")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("the agent runs");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(CLIENT_SECRET.as_bytes()).expect("written");
    drop(input);
    let out = child.wait_with_output().expect("it ends").stdout;
    String::from_utf8_lossy(&out).trim().to_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("it is bound").port()
}
