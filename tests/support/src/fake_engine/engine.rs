//! The fake engine as a test holds it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::container::string_list;
use super::controls::Controls;
use super::create::Wish;
use super::front::Ending;
use super::host::Host;
use super::images::{Image, with_tag};
use super::power::{Life, WhileAway};
use super::refusals::Network;
use super::release::Release;
use super::server::Server;
use super::sightings::Sighting;

/// The image of containers that a test adds without naming one.
const STOCK_IMAGE: &str = "stock.example/stranger:1";

/// A Docker Engine behind a unix socket. Dropping it stops it and removes the socket.
#[derive(Debug)]
pub struct FakeEngine {
    server: Server<Host>,
}

/// A container that a test places on the host behind the agent's back.
#[derive(Clone, Debug)]
pub struct NewContainer {
    name: String,
    life: Life,
    image: String,
    command: Vec<String>,
    labels: Map<String, Value>,
    restart_policy: String,
    id_prefix: String,
}

impl NewContainer {
    /// A running container of a stock image.
    pub fn named(name: &str) -> NewContainer {
        NewContainer {
            name: name.to_owned(),
            life: Life::Running,
            image: STOCK_IMAGE.to_owned(),
            command: Vec::new(),
            labels: Map::new(),
            restart_policy: "no".to_owned(),
            id_prefix: String::new(),
        }
    }

    /// Its state.
    pub fn life(self, life: Life) -> Self {
        Self { life, ..self }
    }

    /// The reference it was made from; an image the host lacks is made up.
    pub fn image(self, reference: &str) -> Self {
        let image = reference.to_owned();
        Self { image, ..self }
    }

    /// What follows `/runtime`: `run`, `ignore-term`, `crash-after 50`, …
    pub fn mode(self, mode: &str) -> Self {
        let command = mode.split(' ').map(str::to_owned).collect();
        Self { command, ..self }
    }

    /// One more label.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), json!(value));
        self
    }

    /// `no`, `always`, `unless-stopped` or `on-failure`.
    pub fn restart_policy(self, policy: &str) -> Self {
        let restart_policy = policy.to_owned();
        Self {
            restart_policy,
            ..self
        }
    }

    /// Hex digits that its id begins with.
    pub fn id_prefix(self, digits: &str) -> Self {
        let id_prefix = digits.to_owned();
        Self { id_prefix, ..self }
    }
}

/// One container at one moment.
#[derive(Clone, Debug)]
pub struct ContainerView {
    /// Full id.
    pub id: String,
    /// Name without a slash.
    pub name: String,
    /// The reference it was created from.
    pub image: String,
    /// The image that runs.
    pub image_id: String,
    /// `State.Status`.
    pub status: String,
    /// `State.ExitCode`.
    pub exit_code: i64,
    /// `NAME=value`, as it runs.
    pub env: Vec<String>,
    /// Its labels.
    pub labels: Map<String, Value>,
    /// How often it was started.
    pub runs: u64,
    /// The whole answer of an inspect.
    pub inspect: Value,
}

impl FakeEngine {
    /// Listens on this socket from now on.
    ///
    /// # Panics
    /// When the socket cannot be made.
    pub fn start(socket: impl AsRef<Path>) -> FakeEngine {
        let server = Server::new(socket.as_ref(), Host::new);
        server.open();
        FakeEngine { server }
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.server.socket
    }

    /// Faults, gates, the freeze and the log of calls.
    pub fn controls(&self) -> &Controls {
        &self.server.controls
    }

    /// The engine ends in order; the socket file goes, containers run on.
    pub fn stop_listening(&self) {
        self.go(Ending::Orderly, WhileAway::Kept);
    }

    /// The engine is killed: connections break, the socket file stays behind.
    pub fn crash(&self, containers: WhileAway) {
        self.go(Ending::Crash, containers);
    }

    /// The engine comes back and takes stock of its containers.
    pub fn start_listening(&self) {
        if !self.server.is_open() {
            self.host().power_on();
            self.server.open();
        }
    }

    /// A crash and a start at once: every connection is cut, event streams too.
    pub fn restart(&self, containers: WhileAway) {
        self.crash(containers);
        self.start_listening();
    }

    fn go(&self, ending: Ending, containers: WhileAway) {
        if self.server.is_open() {
            self.server.close(ending);
            self.host().power_off(containers);
        }
    }

    /// Every container, in order of name.
    pub fn containers(&self) -> Vec<ContainerView> {
        let world = self.host().world();
        let mut views: Vec<_> = world
            .containers
            .values()
            .map(|c| ContainerView {
                id: c.id.clone(),
                name: c.name.clone(),
                image: c.config["Image"].as_str().unwrap_or_default().to_owned(),
                image_id: c.image_id.clone(),
                status: c.state.status().to_owned(),
                exit_code: c.state.exit_code,
                env: string_list(&c.config["Env"]),
                labels: c.labels(),
                runs: c.run,
                inspect: c.inspect(),
            })
            .collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    /// The container of exactly this name.
    pub fn container(&self, name: &str) -> Option<ContainerView> {
        self.containers().into_iter().find(|c| c.name == name)
    }

    /// Blocks until the container of this name satisfies the condition; false when the time is up first.
    pub fn wait_for(
        &self,
        name: &str,
        limit: Duration,
        holds: impl Fn(Option<&ContainerView>) -> bool,
    ) -> bool {
        let end = std::time::Instant::now() + limit;
        while !holds(self.container(name).as_ref()) {
            if std::time::Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Places a container on the host and returns its id.
    ///
    /// # Panics
    /// When the engine would refuse it, for its name is taken, say.
    pub fn add_container(&self, new: NewContainer) -> String {
        if self.image_id(&new.image).is_none() {
            self.add_image(
                &new.image,
                &json!({ "Entrypoint": ["/runtime"], "Cmd": ["run"] }),
            );
        }
        let mut body = json!({
            "Image": new.image,
            "Labels": new.labels,
            "HostConfig": { "RestartPolicy": { "Name": new.restart_policy } },
        });
        if !new.command.is_empty() {
            body["Cmd"] = json!(new.command);
        }
        let wish = Wish {
            name: Some(new.name.clone()),
            body: body.as_object().cloned().unwrap_or_default(),
            id_prefix: new.id_prefix,
        };
        let created = self.host().create(&wish);
        created.unwrap_or_else(|refusal| panic!("not created: {refusal:?}"));
        let id = self.container(&new.name).expect("it was just created").id;
        self.host().pose(&id, new.life);
        id
    }

    /// The container's process ends by itself, or by the kernel's OOM killer. False if none ran.
    pub fn kill_container(&self, name: &str, exit_code: i64, oom: bool) -> bool {
        self.host().end_process(name, exit_code, oom)
    }

    /// Somebody else runs `docker rm -f -v`. False if there was no such container.
    pub fn remove_from_outside(&self, name: &str) -> bool {
        self.host().vanish(name)
    }

    /// Puts an image on the host without a pull and returns its id. `config` is its container
    /// configuration: `Entrypoint`, `Cmd`, `Healthcheck`, …
    pub fn add_image(&self, reference: &str, config: &Value) -> String {
        let blob = json!({
            "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": config, "author": reference,
        });
        let image = Image::from_blob(blob.to_string().as_bytes(), 1024);
        let image = image.expect("this very function wrote the JSON");
        let id = image.id.clone();
        self.host().change(|world| {
            world.images.tags.insert(with_tag(reference), id.clone());
            world.images.by_id.insert(id.clone(), image);
        });
        id
    }

    /// The id of the image that this reference leads to on the host.
    pub fn image_id(&self, reference: &str) -> Option<String> {
        self.host().world().images.id_of(reference)
    }

    /// Makes a name on the host lead to another image, as `docker tag` does.
    pub fn move_tag(&self, reference: &str, image_id: &str) {
        self.host().change(|world| {
            let id = image_id.to_owned();
            world.images.tags.insert(with_tag(reference), id);
        });
    }

    /// How many anonymous volumes there are.
    pub fn anonymous_volumes(&self) -> usize {
        self.host().world().volumes.len()
    }

    /// From now on a removal takes this long, during which others are refused.
    pub fn slow_removals(&self, pause: Duration) {
        self.host().change(|world| world.slow_removal = pause);
    }

    /// The next removal of this container fails halfway and leaves it dead.
    pub fn fail_removal_of(&self, name: &str) {
        self.host()
            .change(|world| world.failing_removals.insert(name.to_owned()));
    }

    /// The pause between attempts at a layer; a real engine waits 5 s and more.
    pub fn layer_retry_pause(&self, pause: Duration) {
        self.host().change(|world| world.layer_retry_pause = pause);
    }

    /// A registry of this process stands in for Docker Hub from now on.
    pub fn hub(&self, address: &str) {
        self.host()
            .change(|world| world.hub = Some(address.to_owned()));
    }

    /// From now on every pull says these lines once it has the manifest, each with a silence after it, and then its own.
    pub fn script_pulls(&self, lines: Vec<(Value, Duration)>) {
        self.host().change(|world| world.pull_script = lines);
    }

    /// Whether the container of this name runs and is listed, and every call about it gets a 404.
    pub fn deny(&self, name: &str, denied: bool) {
        self.host().change(|world| match denied {
            true => world.denied.insert(name.to_owned()),
            false => world.denied.remove(name),
        });
    }

    /// The engine's default log driver from now on.
    pub fn log_driver(&self, driver: &str) {
        self.host()
            .change(|world| world.log_driver = driver.to_owned());
    }

    /// From now on there is a network of this name; none takes it away.
    pub fn network(&self, name: &str, network: Option<Network>) {
        self.host().change(|world| match network {
            Some(network) => drop(world.networks.insert(name.to_owned(), network)),
            None => drop(world.networks.remove(name)),
        });
    }

    /// Where the engine says that its files are.
    pub fn root_directory(&self, path: &Path) {
        let path = path.display().to_string();
        self.host()
            .change(|world| world.host_of_engine.root_directory = path);
    }

    /// The engine runs its containers with other users than their own.
    pub fn remap_users(&self) {
        self.host()
            .change(|world| world.host_of_engine.remaps_users = true);
    }

    /// The engine's init is not installed.
    pub fn without_init(&self) {
        self.host()
            .change(|world| world.host_of_engine.init_is_missing = true);
    }

    /// The engine is of this version.
    pub fn release(&self, release: Release) {
        self.host().change(|world| world.release = release);
    }

    /// Another engine answers in its place.
    pub fn call_itself(&self, name: &str) {
        self.host()
            .change(|world| world.named_engine = name.to_owned());
    }

    /// Whether events are lost on their way to every subscriber.
    pub fn drop_events(&self, dropping: bool) {
        self.host()
            .events
            .dropping
            .store(dropping, Ordering::SeqCst);
    }

    /// Every set of containers whose processes ran at the same time, in order.
    pub fn sightings(&self) -> Vec<Sighting> {
        self.host().world().sightings.seen.clone()
    }

    /// What must never happen, and did.
    pub fn violations(&self) -> Vec<String> {
        self.host().world().sightings.violations.clone()
    }

    fn host(&self) -> &Arc<Host> {
        &self.server.backend
    }
}
