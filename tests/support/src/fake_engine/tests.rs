//! What the fake engine promises, spoken to over its socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use super::http::blocking::Connection;
use super::*;
use crate::images::{self, BuiltImage, ImageSpec};
use crate::registry::Registry;

const SOON: Duration = Duration::from_secs(5);

fn socket() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("fake-{}-{count}.sock", std::process::id()))
}

fn engine() -> FakeEngine {
    let engine = FakeEngine::start(socket());
    let config = json!({ "Entrypoint": ["/runtime"], "Cmd": ["run"], "Volumes": { "/data": {} } });
    engine.add_image("localhost:5000/app:1", &config);
    engine
}

struct Reply {
    status: u16,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

fn open(socket: &Path, method: &str, path: &str, headers: &str, body: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).expect("the engine listens");
    let length = body.len();
    let head = format!(
        "{method} /v1.41{path} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).expect("the engine reads");
    stream
}

fn say_with(socket: &Path, method: &str, path: &str, headers: &str, body: &str) -> Reply {
    let stream = open(socket, method, path, headers, body);
    match Connection::new(stream).receive() {
        Ok(answer) => Reply {
            status: answer.status,
            body: answer.body,
        },
        // The engine has hung up.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Reply {
            status: 0,
            body: String::new(),
        },
        Err(error) => panic!("{error}"),
    }
}

fn say(engine: &FakeEngine, method: &str, path: &str) -> Reply {
    say_with(engine.socket(), method, path, "", "")
}

fn create(engine: &FakeEngine, name: &str, extra: Value) -> Reply {
    let mut body = json!({ "Image": "localhost:5000/app:1" });
    for (key, value) in extra.as_object().expect("an object") {
        body[key] = value.clone();
    }
    let path = format!("/containers/create?name={name}");
    say_with(engine.socket(), "POST", &path, "", &body.to_string())
}

fn created(engine: &FakeEngine, name: &str, extra: Value) -> String {
    let reply = create(engine, name, extra);
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json()["Id"].as_str().expect("an id").to_owned()
}

fn status(engine: &FakeEngine, name: &str) -> String {
    engine
        .container(name)
        .map_or("absent".to_owned(), |c| c.status)
}

fn comes_to(engine: &FakeEngine, name: &str, status: &str) {
    let came = engine.wait_for(name, SOON, |c| c.is_some_and(|c| c.status == status));
    assert!(came, "{name} is {:?}", engine.container(name));
}

/// Writes `text` so that it can stand in a query.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[test]
fn a_container_lives_from_creation_to_removal() {
    let engine = engine();
    let id = created(
        &engine,
        "app",
        json!({ "Env": ["A=1"], "Labels": { "l": "1" } }),
    );
    assert_eq!(engine.anonymous_volumes(), 1);
    assert_eq!(
        say(&engine, "POST", &format!("/containers/{id}/start")).status,
        204
    );
    assert_eq!(
        say(&engine, "POST", &format!("/containers/{id}/start")).status,
        304
    );
    let shown = say(&engine, "GET", "/containers/app/json").json();
    assert_eq!(shown["Id"], id);
    assert_eq!(shown["Name"], "/app");
    assert_eq!(shown["State"]["Status"], "running");
    assert_eq!(shown["Config"]["Env"], json!(["A=1"]));
    assert_eq!(shown["State"]["FinishedAt"], "0001-01-01T00:00:00Z");
    let refused = say(&engine, "DELETE", &format!("/containers/{id}?v=1"));
    assert_eq!(refused.status, 409);
    assert!(
        refused
            .message()
            .starts_with("You cannot remove a running container")
    );
    assert_eq!(say(&engine, "POST", "/containers/app/stop?t=5").status, 204);
    assert_eq!(engine.container("app").map(|c| c.exit_code), Some(0));
    assert_eq!(say(&engine, "POST", "/containers/app/stop?t=5").status, 304);
    assert_eq!(
        say(&engine, "DELETE", &format!("/containers/{id}?v=1")).status,
        204
    );
    assert_eq!(say(&engine, "GET", "/containers/app/json").status, 404);
    assert_eq!(engine.anonymous_volumes(), 0);
    assert!(engine.violations().is_empty());
}

#[test]
fn stop_takes_the_whole_grace_when_term_is_ignored() {
    let engine = engine();
    engine.add_container(NewContainer::named("deaf").mode("ignore-term"));
    let began = Instant::now();
    assert_eq!(
        say(&engine, "POST", "/containers/deaf/stop?t=1").status,
        204
    );
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(engine.container("deaf").map(|c| c.exit_code), Some(137));
}

#[test]
fn creation_is_refused_for_a_taken_name_a_missing_image_and_a_missing_bind_source() {
    let engine = engine();
    let id = created(&engine, "app", json!({}));
    let conflict = create(&engine, "app", json!({}));
    let text =
        format!("Conflict. The container name \"/app\" is already in use by container \"{id}\"");
    assert_eq!(conflict.status, 409);
    assert!(conflict.message().starts_with(&text), "{}", conflict.body);
    assert_eq!(
        create(&engine, "b1", json!({ "Image": "localhost:5000/app:2" })).status,
        404
    );
    let mounts = json!([{ "Type": "bind", "Source": "/nowhere/at/all", "Target": "/x" }]);
    let refused = create(&engine, "b2", json!({ "HostConfig": { "Mounts": mounts } }));
    assert_eq!(refused.status, 400);
    assert!(
        refused
            .message()
            .contains("bind source path does not exist: /nowhere/at/all")
    );
    assert_eq!(engine.containers().len(), 1);
}

#[test]
fn a_name_that_nothing_holds_falls_back_to_an_id_prefix() {
    let engine = engine();
    let new = NewContainer::named("stranger")
        .life(Life::Exited(0))
        .id_prefix("deadbeef");
    let id = engine.add_container(new);
    assert_eq!(
        say(&engine, "GET", "/containers/deadbeef/json").json()["Id"],
        id
    );
    assert_eq!(say(&engine, "DELETE", "/containers/deadbeef").status, 204);
    assert_eq!(status(&engine, "stranger"), "absent");
}

#[test]
fn the_name_filter_of_a_list_matches_parts() {
    let engine = engine();
    for name in ["app", "app-2", "other"] {
        engine.add_container(NewContainer::named(name));
    }
    let count = |filter: &str| {
        let path = format!("/containers/json?all=1&filters={}", escape(filter));
        say(&engine, "GET", &path).json().as_array().map(Vec::len)
    };
    assert_eq!(count(r#"{"name":["app"]}"#), Some(2));
    assert_eq!(count(r#"{"name":["^/app$"]}"#), Some(1));
}

#[test]
fn every_life_shows_as_the_engine_shows_it() {
    let engine = engine();
    let lives = [
        (Life::Created, "created", false),
        (Life::Running, "running", true),
        (Life::Paused, "paused", true),
        (Life::Restarting, "restarting", true),
        (Life::Exited(3), "exited", false),
        (Life::Removing, "removing", false),
        (Life::Dead, "dead", false),
    ];
    for (life, status, running) in lives {
        engine.add_container(NewContainer::named(status).life(life));
        let shown = say(&engine, "GET", &format!("/containers/{status}/json")).json();
        assert_eq!(shown["State"]["Status"], status);
        assert_eq!(shown["State"]["Running"], running, "{status}");
    }
    let remove = |name: &str| say(&engine, "DELETE", &format!("/containers/{name}"));
    assert!(
        remove("removing")
            .message()
            .contains("is already in progress")
    );
    assert_eq!(remove("restarting").status, 409);
    assert_eq!(
        say(&engine, "POST", "/containers/restarting/start").status,
        304
    );
    assert_eq!(
        say(&engine, "POST", "/containers/restarting/stop").status,
        204
    );
    assert_eq!(status(&engine, "restarting"), "exited");
    assert_eq!(
        say(&engine, "POST", "/containers/paused/unpause").status,
        204
    );
    assert_eq!(status(&engine, "paused"), "running");
    assert_eq!(remove("dead").status, 204);
}

#[test]
fn a_crashing_container_is_restarted_with_growing_pauses() {
    let engine = engine();
    let policy = json!({ "RestartPolicy": { "Name": "unless-stopped" } });
    created(
        &engine,
        "loop",
        json!({ "Cmd": ["crash"], "HostConfig": policy }),
    );
    assert_eq!(say(&engine, "POST", "/containers/loop/start").status, 204);
    let again = engine.wait_for("loop", SOON, |c| c.is_some_and(|c| c.runs >= 3));
    assert!(again);
    comes_to(&engine, "loop", "restarting");
    let shown = say(&engine, "GET", "/containers/loop/json").json();
    assert_eq!(shown["State"]["Running"], true);
    assert_eq!(shown["State"]["Pid"], 0);
    assert_eq!(shown["State"]["ExitCode"], 3);
    assert_eq!(say(&engine, "POST", "/containers/loop/stop").status, 204);
    let runs = engine.container("loop").map(|c| c.runs);
    std::thread::sleep(Duration::from_millis(900));
    assert_eq!(engine.container("loop").map(|c| c.runs), runs);
    assert_eq!(status(&engine, "loop"), "exited");
}

#[test]
fn a_runtime_that_comes_up_needs_its_environment_and_its_database() {
    let engine = engine();
    let mut database = crate::database::Database::start();
    let url = format!("DATABASE_URL={}", database.url("word"));
    let plane = "EXECUTION_PLANE=paper".to_owned();
    let run = |name: &str, mode: &str, variables: &[&String]| {
        let body = json!({ "Cmd": [mode], "Env": variables });
        created(&engine, name, body);
        let started = say(&engine, "POST", &format!("/containers/{name}/start"));
        assert_eq!(started.status, 204);
    };
    run("ready", "loops", &[&url, &plane]);
    run("bare", "loops", &[&url]);
    run("stays", "serves", &[&url, &plane]);
    let code = |name: &str| engine.container(name).map(|c| c.exit_code);
    for (name, expected) in [("ready", 0), ("bare", 1)] {
        comes_to(&engine, name, "exited");
        assert_eq!(code(name), Some(expected), "{name}");
    }
    let end = std::time::Instant::now() + SOON;
    while database.connections() < 2 {
        assert!(std::time::Instant::now() < end, "both reach it");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(status(&engine, "stays"), "running");
    assert_eq!(say(&engine, "POST", "/containers/stays/stop").status, 204);
    assert_eq!(code("stays"), Some(0));
    database.stop();
    run("refused", "serves", &[&url, &plane]);
    comes_to(&engine, "refused", "exited");
    assert_eq!(code("refused"), Some(1));
}

#[test]
fn the_health_check_of_the_image_decides() {
    let engine = engine();
    for (name, word, verdict) in [
        ("w", "check-ok", "healthy"),
        ("s", "check-fail", "unhealthy"),
    ] {
        let check =
            json!({ "Test": ["CMD", "/runtime", word], "Interval": 20_000_000, "Retries": 2 });
        let config = json!({ "Entrypoint": ["/runtime"], "Cmd": ["run"], "Healthcheck": check });
        let image = format!("localhost:5000/{name}:1");
        engine.add_image(&image, &config);
        let name = format!("c-{name}");
        engine.add_container(NewContainer::named(&name).image(&image));
        let came = engine.wait_for(&name, SOON, |c| {
            c.is_some_and(|c| c.inspect["State"]["Health"]["Status"] == verdict)
        });
        assert!(came, "{name}");
    }
}

#[test]
fn events_tell_what_happens_to_the_container_they_are_filtered_for() {
    let engine = engine();
    let filters = escape(r#"{"type":["container"],"container":["app"]}"#);
    let stream = open(
        engine.socket(),
        "GET",
        &format!("/events?filters={filters}"),
        "",
        "",
    );
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head = lines.by_ref().take_while(|line| !line.is_empty());
    assert!(
        head.into_iter()
            .any(|line| line == "Transfer-Encoding: chunked")
    );
    engine.add_container(NewContainer::named("other"));
    engine.add_container(NewContainer::named("app").label("k", "v"));
    engine.kill_container("app", 137, true);
    engine.remove_from_outside("app");
    let events = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let events: Vec<Value> = events.filter(Value::is_object).take(5).collect();
    let actions: Vec<_> = events.iter().filter_map(|e| e["Action"].as_str()).collect();
    assert_eq!(actions, ["create", "start", "oom", "die", "destroy"]);
    let attributes = &events[3]["Actor"]["Attributes"];
    assert_eq!(attributes["exitCode"], "137");
    assert_eq!(attributes["name"], "app");
    assert_eq!(attributes["k"], "v");
}

#[test]
fn an_engine_that_restarts_cuts_event_streams_and_keeps_containers() {
    let engine = engine();
    engine.add_container(NewContainer::named("kept"));
    engine.add_container(NewContainer::named("revived").restart_policy("always"));
    engine.add_container(NewContainer::named("lost").restart_policy("unless-stopped"));
    let mut stream = open(engine.socket(), "GET", "/events", "", "");
    engine.restart(WhileAway::Kept);
    let mut rest = Vec::new();
    // A reset is as good an end as any.
    stream.read_to_end(&mut rest).ok();
    assert_eq!(status(&engine, "kept"), "running");
    engine.restart(WhileAway::Killed);
    assert_eq!(status(&engine, "kept"), "exited");
    assert_eq!(status(&engine, "revived"), "running");
    assert_eq!(status(&engine, "lost"), "exited");
    engine.stop_listening();
    assert!(!engine.socket().exists());
    engine.start_listening();
    assert_eq!(say(&engine, "GET", "/_ping").body, "OK");
}

#[test]
fn a_fault_strikes_before_or_after_the_effect() {
    let engine = engine();
    let id = created(&engine, "app", json!({}));
    let start = format!("/containers/{id}/start");
    let cut = |when: fn(Verb, Kind) -> Fault| {
        engine.controls().clear_faults();
        engine
            .controls()
            .inject(when(Verb::ContainerStart, Kind::Cut));
        say(&engine, "POST", &start).status
    };
    assert_eq!(cut(Fault::before), 0);
    assert_eq!(status(&engine, "app"), "created");
    assert_eq!(cut(Fault::after), 0);
    assert_eq!(status(&engine, "app"), "running");
    assert_eq!(engine.controls().calls_of(Verb::ContainerStart).len(), 2);
    let error = ErrorBody::Plain("bad gateway".to_owned());
    engine.controls().clear_faults();
    engine
        .controls()
        .inject(Fault::before(Verb::Ping, Kind::Status(502, error)).nth(2));
    let pings = [1, 2, 3].map(|_| say(&engine, "GET", "/_ping").status);
    assert_eq!(pings, [200, 502, 200]);
}

#[test]
fn a_gate_holds_a_call_until_it_is_released() {
    let engine = engine();
    created(&engine, "app", json!({}));
    let gate = engine.controls().gate(Verb::ContainerStart);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| say(&engine, "POST", "/containers/app/start").status);
        assert!(gate.reached_within(SOON));
        assert_eq!(status(&engine, "app"), "created");
        gate.release();
        assert_eq!(call.join().expect("the call ends"), 204);
    });
    assert_eq!(status(&engine, "app"), "running");
}

#[test]
fn concurrent_removals_are_refused_while_one_is_in_progress() {
    let engine = engine();
    engine.add_container(NewContainer::named("app").life(Life::Exited(0)));
    engine.slow_removals(Duration::from_millis(200));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| say(&engine, "DELETE", "/containers/app").status);
        comes_to(&engine, "app", "removing");
        let second = say(&engine, "DELETE", "/containers/app");
        assert_eq!(second.status, 409);
        assert!(second.message().ends_with("is already in progress"));
        assert_eq!(first.join().expect("the call ends"), 204);
    });
}

#[test]
fn the_proxy_passes_on_and_counts() {
    let engine = engine();
    let proxy = FaultProxy::start(socket(), engine.socket());
    assert_eq!(say_with(proxy.socket(), "GET", "/_ping", "", "").body, "OK");
    let body = json!({ "Image": "localhost:5000/app:1" }).to_string();
    let path = "/containers/create?name=through";
    let made = say_with(proxy.socket(), "POST", path, "", &body);
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(status(&engine, "through"), "created");
    proxy
        .controls()
        .inject(Fault::after(Verb::ContainerStart, Kind::Cut));
    assert_eq!(
        say_with(proxy.socket(), "POST", "/containers/through/start", "", "").status,
        0
    );
    assert_eq!(status(&engine, "through"), "running");
    assert_eq!(proxy.controls().changing_calls().len(), 2);
    let stream = open(proxy.socket(), "GET", "/events", "", "");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.is_empty()));
    engine.kill_container("through", 1, false);
    assert!(lines.any(|line| line.contains(r#""Action":"die""#)));
}

const REPOSITORY: &str = "app";

/// A registry with one image at `app:1`, and an index without our platform at `app:arm`.
fn registry() -> (Registry, BuiltImage) {
    let registry = Registry::start();
    let image = ImageSpec::mode(&["run"]).extra_bytes(90_000).build();
    registry.put(REPOSITORY, "1", &image);
    let foreign = ImageSpec::mode(&["run"]).architecture("s390x").build();
    registry.put_index(REPOSITORY, "arm", &[&foreign]);
    (registry, image)
}

fn pull(engine: &FakeEngine, port: u16, tag: &str, headers: &str) -> Reply {
    let image = escape(&format!("127.0.0.1:{port}/{REPOSITORY}"));
    let path = format!("/images/create?fromImage={image}&tag={tag}");
    say_with(engine.socket(), "POST", &path, headers, "")
}

#[test]
fn a_pull_fetches_the_image_for_the_platform_and_names_its_digest() {
    let (engine, (registry, image)) = (engine(), registry());
    let index = ImageSpec::mode(&["run"]).architecture("arm64").build();
    registry.put_index(REPOSITORY, "1", &[&index, &image]);
    let digest = images::digest(&images::index(&[&index, &image]));
    let pulled = pull(&engine, registry.port(), "1", "");
    assert_eq!(pulled.status, 200);
    let name = format!("127.0.0.1:{}/{REPOSITORY}", registry.port());
    for line in [
        r#""status":"Pulling from app""#.to_owned(),
        r#""status":"Pulling fs layer""#.to_owned(),
        r#""status":"Downloading""#.to_owned(),
        r#""status":"Pull complete""#.to_owned(),
        format!("Digest: {digest}"),
        format!("Status: Downloaded newer image for {name}:1"),
    ] {
        assert!(pulled.body.contains(&line), "{line} in {}", pulled.body);
    }
    let image = say(&engine, "GET", &format!("/images/{name}:1/json")).json();
    assert_eq!(image["Architecture"], "amd64");
    assert_eq!(image["RepoDigests"][0], format!("{name}@{digest}"));
    assert_eq!(image["RepoTags"][0], format!("{name}:1"));
    let again = pull(&engine, registry.port(), "1", "");
    assert!(again.body.contains("Status: Image is up to date for"));
}

#[test]
fn a_pull_fails_before_its_first_line_or_within() {
    let (engine, (registry, _)) = (engine(), registry());
    let missing = pull(&engine, registry.port(), "none", "");
    assert_eq!(missing.status, 404);
    assert!(
        missing.message().contains("not found: manifest unknown"),
        "{}",
        missing.body
    );
    let foreign = pull(&engine, registry.port(), "arm", "");
    assert_eq!(foreign.status, 200);
    let text = "no matching manifest for linux/amd64 in the manifest list entries";
    let wanted = json!({ "errorDetail": { "message": text }, "error": text }).to_string();
    assert!(foreign.body.contains(&wanted), "{}", foreign.body);
    let refused = pull(&engine, 1, "1", "");
    assert_eq!(refused.status, 500);
    assert!(
        refused.message().ends_with("connection refused"),
        "{}",
        refused.body
    );
}

#[test]
fn credentials_are_read_as_base64url_and_otherwise_ignored() {
    let (engine, (registry, _)) = (engine(), registry());
    registry.require_bearer("me", "s?cret~~>");
    let auth = json!({ "username": "me", "password": "s?cret~~>" }).to_string();
    let url_safe = URL_SAFE.encode(&auth);
    let standard = base64::engine::general_purpose::STANDARD.encode(&auth);
    assert_ne!(url_safe, standard);
    let header = |value: &str| format!("X-Registry-Auth: {value}\r\n");
    let tried = |value: &str| pull(&engine, registry.port(), "1", &header(value));
    assert_eq!(tried(&standard).status, 500);
    let pulled = tried(&url_safe);
    assert!(
        pulled.body.contains("Status: Downloaded"),
        "{}",
        pulled.body
    );
}
