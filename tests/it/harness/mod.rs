//! A world for one test: an engine (fake or real), a registry, a host's directories, and the agent.
//!
//! A world takes with it what it made, and touches nothing else: its container name and its repository are its own.

mod agent;
mod message;
pub mod notify;
mod private_engine;
mod store;

use std::collections::HashMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use dreichor_test_support::database::Database;
use dreichor_test_support::fake_engine::{
    Controls, FakeEngine, Fault, FaultProxy, Kind as How, Verb, When, WhileAway,
};
use dreichor_test_support::images::{BuiltImage, ImageSpec};
use dreichor_test_support::registry::Registry;
use serde_json::{Value, json};

pub use dreichor_test_support::images::Runtime;

pub use agent::{Agent, CLIENT_ID, CLIENT_SECRET, contract_headers, request_bytes};
pub use message::{Answer, engine_call, exchange, exchange_raw};
pub use private_engine::PrivateEngine;

/// Which engine a scenario runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Fake,
    Real,
}

/// How long a call may take to come.
const ARRIVAL: Duration = Duration::from_secs(30);

/// A value of runtime.env that must show up nowhere but in the container.
pub const CANARY: &str = "canary-runtime-value-77aa";

/// A password whose JSON encodes to `+` and `/` in standard base64: engines read base64url only.
pub const REGISTRY_PASSWORD: &str = "canary~~~???>>>~~~ÿþ???";

/// Everything around one agent.
pub struct World {
    pub kind: Kind,
    /// What [`World::push_runtime`] puts into the registry.
    pub runtime: Runtime,
    pub fake: Option<FakeEngine>,
    pub registry: Registry,
    /// Where `DATABASE_URL` leads.
    pub database: Database,
    pub directory: tempfile::TempDir,
    pub name: String,
    pub repository: String,
    pub settings: HashMap<String, String>,
    pub port: u16,
    socket: PathBuf,
    private: Option<PrivateEngine>,
    /// In front of an engine that is to say something else.
    reworded: Option<FaultProxy>,
}

impl World {
    /// A world whose runtime is of this kind.
    pub fn with_runtime(kind: Kind, runtime: Runtime) -> Self {
        let mut world = Self::new(kind);
        world.runtime = runtime;
        world
    }

    /// A world on the engine of that kind, with a long-lived runtime. Panics, and so fails the test, where there is no real one.
    pub fn new(kind: Kind) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let registry = Registry::start();
        let unique = unique();
        let (socket, fake) = match kind {
            Kind::Fake => {
                let socket = directory.path().join("engine.sock");
                let fake = FakeEngine::start(&socket);
                (socket, Some(fake))
            }
            Kind::Real => (real_socket(), None),
        };
        let mut world = Self {
            kind,
            runtime: Runtime::Serves,
            fake,
            database: Database::start(),
            name: format!("dreichor-test-{unique}-dev"),
            repository: format!("127.0.0.1:{}/test-{unique}/runtime", registry.port()),
            registry,
            directory,
            settings: HashMap::new(),
            port: free_port(),
            socket,
            private: None,
            reworded: None,
        };
        world.furnish();
        world
    }

    /// Gives the world an engine of its own, which may be killed.
    pub fn own_engine(&mut self) {
        self.own_engine_with(&[]);
    }

    /// The same, with these arguments of `dockerd` if it is a real one.
    pub fn own_engine_with(&mut self, arguments: &[String]) {
        if self.kind == Kind::Real {
            self.moves_to(PrivateEngine::start(&self.path("engine"), arguments));
        }
    }

    /// A real engine of its own that runs containers with other users than their own.
    pub fn own_engine_that_remaps_users(&mut self) {
        self.moves_to(PrivateEngine::start_remapping_users(&self.path("engine")));
    }

    fn moves_to(&mut self, engine: PrivateEngine) {
        self.socket = engine.socket();
        let host = format!("unix://{}", self.socket.display());
        self.set("DOCKER_HOST", &host);
        self.private = Some(engine);
    }

    /// Ends the real engine of one's own, in order as an upgrade does or at once, and starts it again.
    pub fn bring_engine_back(&mut self, in_order: bool) {
        let engine = self.private.as_mut().expect("an engine of one's own");
        match in_order {
            true => engine.end(),
            false => engine.kill(),
        }
        engine.up();
    }

    /// Kills the engine, waits, and starts it again.
    pub fn restart_engine(&mut self, down: Duration) {
        match (&self.fake, &mut self.private) {
            (Some(fake), _) => {
                fake.crash(WhileAway::Killed);
                std::thread::sleep(down);
                fake.start_listening();
            }
            (None, Some(engine)) => {
                engine.kill();
                std::thread::sleep(down);
                engine.up();
            }
            (None, None) => panic!("only an engine of one's own may be restarted"),
        }
    }

    /// Logs, trail, ledger, key: whatever the agent wrote. Every world of every test ends with this.
    fn assert_that_no_secret_was_written(&self) {
        let own = [self.path("runtime.env"), self.path("opt")];
        for canary in agent::CANARIES {
            let found = found_below(self.directory.path(), canary);
            let leaks: Vec<_> = found
                .iter()
                .filter(|path| !own.iter().any(|own| path.starts_with(own)))
                .collect();
            assert!(leaks.is_empty(), "{canary} is in {leaks:?}");
        }
    }

    /// The directories and files of a host, and settings with short times.
    fn furnish(&mut self) {
        for directory in ["volumes/audit-events", "volumes/snapshots", "docker"] {
            std::fs::create_dir_all(self.path(directory)).expect("made");
        }
        self.write_runtime_env(&format!(
            "EXECUTION_PLANE=paper\nDATABASE_URL={}\n",
            self.database_url()
        ));
        let shown = |path: PathBuf| path.display().to_string();
        let settings = [
            ("ENVIRONMENT", "dev".to_owned()),
            ("CONTAINER_NAME", self.name.clone()),
            (
                "AUDIT_EVENTS_PATH",
                shown(self.path("volumes/audit-events")),
            ),
            ("SNAPSHOTS_PATH", shown(self.path("volumes/snapshots"))),
            ("ALLOW_EXECUTION_PLANE", "paper".to_owned()),
            ("PORT", self.port.to_string()),
            ("RUNTIME_ENV_FILE", shown(self.path("runtime.env"))),
            ("STATE_DIRECTORY", shown(self.path("state"))),
            ("IMAGE_REPOSITORY", self.repository.clone()),
            ("DOCKER_HOST", format!("unix://{}", self.socket.display())),
            ("DOCKER_CONFIG", shown(self.path("docker"))),
            ("RUNTIME_NETWORK", "host".to_owned()),
            ("STOP_GRACE_SECONDS", "1".to_owned()),
            ("START_CONFIRMATION_SECONDS", "1".to_owned()),
            ("STATUS_MAX_AGE_SECONDS", "3".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        self.settings.extend(settings);
    }

    /// The same in prod, whose state directory is new.
    pub fn in_prod(kind: Kind) -> Self {
        let mut world = Self::new(kind);
        world.name = world.name.replace("-dev", "-prod");
        let name = world.name.clone();
        world.set("ENVIRONMENT", "prod");
        world.set("CONTAINER_NAME", &name);
        world
    }

    /// What `history` shows of this world's trail.
    pub fn history(&self, arguments: &[&str]) -> String {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
            .arg("history")
            .arg(self.path("state"))
            .args(arguments)
            .env_clear()
            .output()
            .expect("the command runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same as `--json` tells it, a row each.
    pub fn rows(&self) -> Vec<Value> {
        let said = self.history(&["--json"]);
        said.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// An operator acknowledges what the agent doubts of its ledger: what the command says.
    pub fn acknowledge(&self, reason: &str) -> String {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
            .args(["acknowledge", "--reason", reason, "--env-file"])
            .arg(self.env_file())
            .env_clear()
            .output()
            .expect("the command runs");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{said}");
        said
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    pub fn unset(&mut self, name: &str) {
        self.settings.remove(name);
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.directory.path().join(inside)
    }

    /// What `runtime.env` says, with the canary for a password.
    pub fn database_url(&self) -> String {
        self.database.url(CANARY)
    }

    pub fn write_runtime_env(&self, text: &str) {
        let path = self.path("runtime.env");
        std::fs::write(&path, text).expect("written");
        // Whatever the umask of whoever runs the tests.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("set");
    }

    /// Writes the settings as the unit's environment file.
    pub fn env_file(&self) -> PathBuf {
        self.write_settings(&self.settings)
    }

    fn write_settings(&self, settings: &HashMap<String, String>) -> PathBuf {
        let path = self.path(".env");
        let mut lines: Vec<String> = settings
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        lines.sort();
        std::fs::write(&path, lines.concat()).expect("written");
        path
    }

    /// Starts the agent with other settings.
    pub fn agent_with(&self, settings: &HashMap<String, String>) -> Agent {
        let file = self.write_settings(settings);
        self.started(&file)
    }

    /// A command of the operator's to the running agent.
    pub fn operator_command(&self, command: &str, arguments: &[&str]) -> std::process::Command {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_deploy-agent"));
        program
            .args([command, "dev", "--socket"])
            .arg(self.path("state/operator.sock"))
            .args(arguments)
            .env_clear();
        program
    }

    /// Its exit code, and all that it says.
    pub fn operator(&self, command: &str, arguments: &[&str]) -> (i32, String) {
        let output = self.operator_command(command, arguments).output();
        let output = output.expect("the program runs");
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let said = String::from_utf8(said).expect("text");
        (output.status.code().expect("an exit code"), said)
    }

    /// Starts the agent with the settings as they are.
    pub fn agent(&self) -> Agent {
        self.started(&self.env_file())
    }

    fn started(&self, file: &Path) -> Agent {
        // At the level that says most: whatever a test does, no secret may be in the log.
        let trace = [("RUST_LOG", "trace")];
        Agent::start(file, self.port, &self.path("agent.log"), &trace)
    }

    /// Puts an image into the registry under a tag; the mode decides what its process does.
    pub fn push(&self, tag: &str, mode: &[&str]) -> BuiltImage {
        self.push_spec(tag, ImageSpec::mode(mode))
    }

    /// Puts a runtime of this world's kind into the registry.
    pub fn push_runtime(&self, tag: &str) -> BuiltImage {
        self.push_spec(tag, ImageSpec::runtime(self.runtime))
    }

    pub fn push_spec(&self, tag: &str, spec: ImageSpec) -> BuiltImage {
        let image = spec.salt(format!("{}:{tag}", self.repository)).build();
        self.registry.put(self.repository_path(), tag, &image);
        image
    }

    /// The repository without the registry's address.
    pub fn repository_path(&self) -> &str {
        self.repository
            .split_once('/')
            .expect("a host and a path")
            .1
    }

    /// The reference of a tag.
    pub fn image(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository)
    }

    pub fn engine(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        engine_call(&self.socket, method, path, body)
    }

    /// The inspect of the container that has exactly our name.
    pub fn container(&self) -> Option<Value> {
        let answer = self.engine("GET", &format!("/containers/{}/json", self.name), None);
        match answer.status {
            200 => Some(answer.json()).filter(|shown| shown["Name"] == format!("/{}", self.name)),
            404 => None,
            other => panic!("inspect gave {other}: {}", answer.body),
        }
    }

    /// The same, when there must be one.
    pub fn shown(&self) -> Value {
        self.container().expect("the runtime container exists")
    }

    /// What tells this very container, and of a runtime that stays this very run of it, from any other.
    pub fn identity(&self) -> Value {
        let shown = self.shown();
        let state = &shown["State"];
        match self.runtime {
            Runtime::Loops => json!([shown["Id"], state["Running"]]),
            Runtime::Serves => json!([shown["Id"], state["StartedAt"], state["Status"]]),
        }
    }

    /// Deploys 1.0.0 and tells what identifies this very run of it.
    pub fn running_one(&self) -> (Agent, Value) {
        self.push_runtime("1.0.0");
        let agent = self.agent();
        let answer = agent.deploy(&self.image("1.0.0"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        (agent, self.identity())
    }

    pub fn id(&self) -> String {
        self.shown()["Id"].as_str().expect("an id").to_owned()
    }

    /// How many containers have a name that contains ours.
    pub fn count(&self) -> usize {
        let filters = json!({ "name": [self.name] })
            .to_string()
            .replace('"', "%22");
        let path = format!("/containers/json?all=1&filters={filters}");
        let listed = self.engine("GET", &path, None).json();
        listed.as_array().expect("a list").len()
    }

    /// Makes a container under our name the way somebody else would, with `--env-file runtime.env`.
    pub fn foreign_container(&self, tag: &str, policy: &str) -> String {
        self.pull(tag);
        let variables = std::fs::read_to_string(self.path("runtime.env")).expect("read");
        let body = json!({
            "Image": self.image(tag),
            "Env": variables.lines().collect::<Vec<_>>(),
            "HostConfig": { "NetworkMode": "host", "RestartPolicy": { "Name": policy } },
        });
        let path = format!("/containers/create?name={}", self.name);
        let answer = self.engine("POST", &path, Some(&body));
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["Id"].as_str().expect("an id").to_owned()
    }

    /// Puts a proxy with faults and gates in front of a real engine; the fake one has them itself.
    pub fn proxied(&mut self) -> Option<FaultProxy> {
        let socket = self.path("proxy.sock");
        let reworded = self.reworded.as_ref();
        let upstream = reworded.map_or(self.socket.as_path(), FaultProxy::socket);
        let proxy = self
            .fake
            .is_none()
            .then(|| FaultProxy::start(&socket, upstream));
        if proxy.is_some() {
            self.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
        }
        proxy
    }

    /// From now on the engine, as the agent sees it, answers such a call in other words: `(true, other)`.
    pub fn reword(&mut self, verb: Verb, words: &[(&str, &str)]) {
        let words = words.iter();
        let words = words.map(|&(is, other)| (is.to_owned(), other.to_owned()));
        let socket = self.path("reworded.sock");
        let proxy = FaultProxy::start(&socket, &self.socket);
        let fault = Fault::after(verb, How::Reworded(words.collect()));
        proxy.controls().inject(fault);
        self.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
        self.reworded = Some(proxy);
    }

    /// The faults and gates of whatever stands on the agent's way to the engine.
    pub fn controls<'a>(&'a self, proxy: &'a Option<FaultProxy>) -> &'a Controls {
        match (proxy, &self.fake) {
            (Some(proxy), _) => proxy.controls(),
            (None, fake) => fake.as_ref().expect("the fake engine").controls(),
        }
    }

    /// Deploys, and does something at the moment at which the engine is asked for this.
    pub fn deploy_and_meanwhile(
        &self,
        agent: &Agent,
        controls: &Controls,
        tag: &str,
        at: Verb,
        meanwhile: impl FnOnce(),
    ) -> Answer {
        // Only this call: somebody else may make one meanwhile.
        let gate = controls.gate_nth(at, 1, When::BeforeEffect);
        std::thread::scope(|scope| {
            let client = scope.spawn(|| agent.deploy(&self.image(tag)));
            assert!(gate.reached_within(ARRIVAL), "{at} never comes");
            meanwhile();
            gate.release();
            client.join().expect("answered")
        })
    }

    /// What the engine does with such a container when nobody looks first: none if it runs, else its words, or how it
    /// ended. It is made under another name, as the agent would make it, and taken away again.
    pub fn engine_refuses(&self, tag: &str) -> Option<String> {
        self.pull(tag);
        let variables = std::fs::read_to_string(self.path("runtime.env")).expect("read");
        let body = json!({
            "Image": self.image(tag),
            "Env": variables.lines().collect::<Vec<_>>(),
            "HostConfig": { "NetworkMode": "host" },
        });
        let name = format!("trial-{}", self.name);
        let path = format!("/containers/create?name={name}");
        let created = self.engine("POST", &path, Some(&body));
        if created.status != 201 {
            return Some(created.body);
        }
        let started = self.engine("POST", &format!("/containers/{name}/start"), None);
        let mut refused = (started.status != 204).then_some(started.body);
        if refused.is_none() {
            let running = || {
                self.engine("GET", &format!("/containers/{name}/json"), None)
                    .json()
            };
            let end = Instant::now() + Duration::from_secs(1);
            while refused.is_none() && Instant::now() < end {
                let state = running()["State"].clone();
                refused = (state["Running"] != true).then(|| state.to_string());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.engine("DELETE", &format!("/containers/{name}?force=1&v=1"), None);
        refused
    }

    /// Pulls a tag past the agent.
    pub fn pull(&self, tag: &str) {
        let path = format!("/images/create?fromImage={}&tag={tag}", self.repository);
        let answer = self.engine("POST", &path, None);
        assert!(
            answer.status == 200 && answer.body.contains("Digest:"),
            "{} {}",
            answer.status,
            answer.body
        );
    }

    /// Acts on a container: `start`, `kill`, `pause`, `restart?t=0`.
    pub fn act(&self, id: &str, act: &str) {
        let answer = self.engine("POST", &format!("/containers/{id}/{act}"), None);
        assert!(
            answer.status < 300,
            "{act} gave {}: {}",
            answer.status,
            answer.body
        );
    }

    pub fn remove(&self, id: &str) {
        self.engine("DELETE", &format!("/containers/{id}?force=1&v=1"), None);
    }

    /// Every record of the audit trail, checked to be JSON lines.
    pub fn trail(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("state/audit.jsonl")).expect("a trail");
        // What a running agent is at has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).expect("a JSON line"))
            .collect()
    }

    /// The newest observation, once there are so many.
    pub fn observed(&self, count: usize) -> Value {
        let records = || self.events("runtime_observed");
        until("it is recorded", Duration::from_secs(30), || {
            records().len() >= count
        });
        records().pop().expect("a record")
    }

    /// The records of one event.
    pub fn events(&self, event: &str) -> Vec<Value> {
        let mut records = self.trail();
        records.retain(|record| record["event"] == event);
        records
    }

    /// The last outcome in the trail.
    pub fn last_outcome(&self) -> Value {
        self.events("operation_ended").pop().expect("an outcome")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_that_no_secret_was_written();
        }
        // Before the directory that it lives in.
        if self.private.take().is_some() || self.kind == Kind::Fake {
            return;
        }
        if let Some(shown) = self.container() {
            self.remove(shown["Id"].as_str().unwrap_or_default());
        }
        let filters = json!({ "reference": [self.repository] }).to_string();
        let filters = filters.replace('"', "%22");
        let listed = self.engine("GET", &format!("/images/json?filters={filters}"), None);
        for image in listed.json().as_array().into_iter().flatten() {
            let id = image["Id"].as_str().unwrap_or_default();
            self.engine("DELETE", &format!("/images/{id}?force=1"), None);
        }
    }
}

/// The socket of the real engine, from `DOCKER_HOST` or where Docker puts it.
pub fn real_socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let socket = host
        .strip_prefix("unix://")
        .unwrap_or("/var/run/docker.sock");
    let socket = PathBuf::from(socket);
    assert!(
        std::os::unix::net::UnixStream::connect(&socket).is_ok(),
        "no Docker Engine answers on {}; ./tests/run brings one up",
        socket.display()
    );
    socket
}

/// A loopback port that nobody listens on. Below the range from which the kernel takes ports for outgoing connections
/// and for `bind` to port 0, so that no neighbour gets it before the agent does; out of a block that no other process of
/// tests has, so that an agent which is started again finds its port free.
pub fn free_port() -> u16 {
    static BLOCK: LazyLock<TcpListener> = LazyLock::new(block_of_ports);
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let held = BLOCK.local_addr().expect("an address").port();
    loop {
        let port = held + 1 + NEXT.fetch_add(1, Ordering::Relaxed) % (PORTS - 1);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// How many ports a block has.
const PORTS: u16 = 2_048;

/// Holds the first port of a block that no other process holds; the others are this one's.
fn block_of_ports() -> TcpListener {
    let firsts = (10_000..30_000 - PORTS).step_by(PORTS.into());
    let mut held = firsts.filter_map(|first| TcpListener::bind(("127.0.0.1", first)).ok());
    held.next().expect("a block of ports that nobody holds")
}

/// Waits until something holds.
pub fn until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The reference that a container was asked for, from its inspect: the agent creates by tag and digest.
pub fn image_asked(shown: &Value) -> Value {
    let image = shown["Config"]["Image"].as_str();
    let asked = image.and_then(|image| image.split('@').next());
    asked.map_or(Value::Null, |asked| json!(asked))
}

/// The regular files below `directory` that hold `needle`; an engine's own files are not looked at.
pub fn found_below(directory: &Path, needle: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
        if kind.is_dir() && !path.ends_with("engine") {
            found.extend(found_below(&path, needle));
        } else if kind.is_file() {
            // A file that is replaced at this moment is read under its name the next time.
            let bytes = std::fs::read(&path).unwrap_or_default();
            if String::from_utf8_lossy(&bytes).contains(needle) {
                found.push(path);
            }
        }
    }
    found
}

/// A word that no other test, process or run uses.
pub fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_millis();
    format!("{:x}-{:x}-{count}", std::process::id(), now & 0xff_ffff)
}

/// The time without a runtime that a row of the history shows, in milliseconds.
pub fn downtime_ms(row: &Value) -> u64 {
    let ms = row["downtime_ms"].as_u64();
    ms.unwrap_or_else(|| panic!("a time: {row}"))
}
