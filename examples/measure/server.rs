//! A server that was started to be measured, the agent or the bare route, and the requests to it.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use dreichor_test_support::http::blocking::{Answer, Connection};

use crate::host::Host;

pub const CLIENT_ID: &str = "benchmark.access";
pub const CLIENT_SECRET: &str = "not-a-secret";
const START_WAIT: Duration = Duration::from_secs(60);

/// A running server: the agent, or the bare route.
pub struct Server {
    child: Child,
    pub port: u16,
    /// From its start to its first good status.
    pub ready_after: Duration,
}

impl Server {
    pub fn of(child: Child, port: u16) -> Self {
        Self {
            child,
            port,
            ready_after: Duration::ZERO,
        }
    }

    pub fn await_status(&mut self) {
        let end = Instant::now() + START_WAIT;
        loop {
            let asked = Connection::tcp(self.port)
                .and_then(|mut connection| connection.exchange(&status_request()));
            match asked {
                Ok(answer) if answer.status == 200 => return,
                asked => assert!(Instant::now() < end, "no status: {asked:?}"),
            }
            let ended = self.child.try_wait().expect("waitable");
            assert!(ended.is_none(), "it ended: {ended:?}");
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// For one request: agent and bare route take one a connection.
    pub fn connect(&self) -> Connection<TcpStream> {
        Connection::tcp(self.port).expect("it listens")
    }

    /// One request over a connection of its own.
    pub fn ask(&self, request: &[u8]) -> Answer {
        self.connect().exchange(request).expect("an answer")
    }

    /// A status from many connections at once.
    pub fn ask_all(&self, connections: usize, mut answered: impl FnMut(Answer)) {
        let request = status_request();
        let mut all: Vec<_> = (0..connections).map(|_| self.connect()).collect();
        for connection in &mut all {
            connection.send(&request).expect("sent");
        }
        for connection in &mut all {
            answered(connection.receive().expect("an answer"));
        }
    }

    pub fn deploy(&self, host: &Host, tag: &str) -> Answer {
        self.ask(&host.deploy_request(tag))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, so that the trail is closed in order; an agent that ended already is as good.
        let pid = self.pid().to_string();
        Command::new("kill").arg(pid).status().ok();
        self.child.wait().ok();
    }
}

/// The program, by a launcher that gives it a priority.
pub fn launched(launcher: &[&str], program: &Path) -> Command {
    match launcher {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    }
}

/// A status request as the tunnel sends it, to the agent and to the bare route alike.
pub fn status_request() -> Vec<u8> {
    request("GET", "/v1/status", "")
}

pub fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCF-Access-Client-Id: {CLIENT_ID}\r\n\
         CF-Access-Client-Secret: {CLIENT_SECRET}\r\nContent-Type: application/json\r\n{length}\r\n{body}"
    )
    .into_bytes()
}
