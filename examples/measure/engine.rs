//! The engine without the agent: bare calls on one connection, and its own events.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use dreichor_test_support::http::blocking::{Answer, Connection};
use serde_json::{Value, json};

/// An event comes at about the time of the answer; one that does not come is a failure.
const EVENT_WAIT: Duration = Duration::from_secs(10);

/// One connection to the engine.
pub struct Engine {
    connection: Connection<UnixStream>,
}

/// Something that the engine says happened to a container.
#[derive(Debug)]
pub struct Happened {
    pub container: String,
    pub action: String,
    /// Nanoseconds since 1970, by the engine's clock, which is this host's.
    pub at: u64,
}

/// The engine's events of some containers, in order.
pub struct Events(Receiver<Happened>);

/// Where the engine listens.
pub fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let path = host.strip_prefix("unix://");
    PathBuf::from(path.unwrap_or("/var/run/docker.sock"))
}

impl Engine {
    pub fn connect() -> Self {
        Self::connect_to(&socket())
    }

    pub fn connect_to(socket: &Path) -> Self {
        let connection = Connection::unix(socket).expect("an engine that answers");
        Self { connection }
    }

    /// One call; the caller looks at the status.
    pub fn try_call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let answer = self.connection.exchange(&request(method, path, body));
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// One call that must succeed.
    pub fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let answer = self.try_call(method, path, body);
        assert!(
            answer.status < 400,
            "{method} {path}: {} {}",
            answer.status,
            answer.body
        );
        answer
    }

    /// The full id of the container of exactly this name.
    pub fn id_of(&mut self, name: &str) -> Option<String> {
        let answer = self.try_call("GET", &format!("/containers/{name}/json"), None);
        let shown = (answer.status == 200).then(|| answer.json())?;
        Some(shown["Id"].as_str()?.to_owned())
    }

    /// Removes the container of this name, if there is one.
    pub fn sweep(&mut self, name: &str) {
        self.try_call("DELETE", &format!("/containers/{name}?force=1&v=1"), None);
    }
}

impl Events {
    /// The events of these names from now on.
    pub fn of(names: &[&str]) -> Self {
        let filters = json!({ "type": ["container"], "container": names }).to_string();
        let filters = filters.replace('"', "%22");
        let request = request("GET", &format!("/events?filters={filters}"), None);
        let connection = Connection::unix(&socket()).expect("an engine that answers");
        let lines = connection.lines(&request).expect("a subscription");
        let (send, received) = channel();
        // It ends with the process.
        std::thread::spawn(move || {
            for happened in lines.filter_map(|line| parse(&line)) {
                if send.send(happened).is_err() {
                    return;
                }
            }
        });
        Self(received)
    }

    /// The next event of this action.
    pub fn next(&self, action: &str) -> Happened {
        loop {
            let happened = self.0.recv_timeout(EVENT_WAIT);
            let happened = happened.unwrap_or_else(|_| panic!("no event {action}"));
            if happened.action == action {
                return happened;
            }
        }
    }

    /// Forgets what has come so far.
    pub fn forget(&self) {
        while self.0.recv_timeout(Duration::from_millis(50)).is_ok() {}
    }
}

fn parse(line: &str) -> Option<Happened> {
    let event: Value = serde_json::from_str(line).ok().filter(Value::is_object)?;
    Some(Happened {
        container: event["Actor"]["ID"].as_str()?.to_owned(),
        action: event["Action"].as_str()?.to_owned(),
        at: event["timeNano"].as_u64()?,
    })
}

fn request(method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}
