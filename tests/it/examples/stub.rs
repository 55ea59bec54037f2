//! What stands in front of an agent, or in its place, and is not it: answers by route, as they were written here.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

pub const LOGIN_PAGE: &str =
    "<!DOCTYPE html><html><title>Sign in - Cloudflare Access</title></html>";

/// One route's answer.
#[derive(Debug, Clone)]
pub struct Canned {
    route: &'static str,
    /// Behind `HTTP/1.1`.
    status: &'static str,
    headers: String,
    body: String,
}

impl Canned {
    pub fn new(route: &'static str, status: &'static str, kind: &str, body: &str) -> Self {
        Self {
            route,
            status,
            headers: format!("Content-Type: {kind}\r\n"),
            body: body.to_owned(),
        }
    }

    pub fn json(route: &'static str, status: &'static str, body: &Value) -> Self {
        Self::new(route, status, "application/json", &body.to_string())
    }

    pub fn header(mut self, line: &str) -> Self {
        self.headers += &format!("{line}\r\n");
        self
    }
}

/// A server of such answers, on a loopback port until the test ends; a route that is not among them is cut.
pub struct Stub {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    pub fn serve(answers: Vec<Canned>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that is gone needs no answer.
                answer(stream, &answers, &heard).ok();
            }
        });
        Self { port, heads }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The heads of the requests so far.
    pub fn heads(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.clone()
    }
}

fn answer(
    mut stream: TcpStream,
    answers: &[Canned],
    heard: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..length]);
    }
    let request = String::from_utf8_lossy(&request);
    let route = request.split(' ').nth(1).unwrap_or_default();
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let mut heads = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heads.push(head.to_owned());
    drop(heads);
    let Some(canned) = answers.iter().find(|canned| canned.route == route) else {
        return Ok(());
    };
    write!(
        stream,
        "HTTP/1.1 {}\r\n{}Location: https://example.com/login\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        canned.status,
        canned.headers,
        canned.body.len(),
        canned.body
    )
}
