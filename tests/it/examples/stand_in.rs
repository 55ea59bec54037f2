//! A server that answers as something in front of the agent might: a login page, a redirect, another agent's status.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it answers to a request line.
pub type Script = fn(&str) -> (&'static str, String);

pub struct StandIn {
    pub port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    pub fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
        let port = listener.local_addr().expect("bound").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that breaks off is what some tests are about.
                answer(&stream, script, &noted).ok();
            }
        });
        Self { port, seen }
    }

    /// The request lines so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic holds it").clone()
    }
}

fn answer(
    mut stream: &TcpStream,
    script: Script,
    noted: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    noted
        .lock()
        .expect("no panic holds it")
        .push(request.trim_end().to_owned());
    let (head, body) = script(&request);
    write!(
        stream,
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

const PAGE: &str = "<!DOCTYPE html><title>Sign in - Cloudflare Access</title>";

pub fn login_page(_: &str) -> (&'static str, String) {
    ("200 OK\r\nContent-Type: text/html", PAGE.to_owned())
}

pub fn redirect(_: &str) -> (&'static str, String) {
    let head = "302 Found\r\nLocation: https://example.cloudflareaccess.com/cdn-cgi/access/login";
    (head, String::new())
}

/// An agent that deploys and then shows another image.
pub fn another_image(request: &str) -> (&'static str, String) {
    let body = if request.starts_with("POST /v1/deploy") {
        r#"{"status":"deployed","container_name":"dreichor-runtime-dev","image":"ghcr.io/ceerkle/dreichor-trading/runtime:1.0.0","environment":"dev"}"#
    } else {
        r#"{"container_name":"dreichor-runtime-dev","running":true,"image":"ghcr.io/ceerkle/dreichor-trading/runtime:0.9.0","started_at":"2026-01-01T00:00:00Z"}"#
    };
    ("200 OK\r\nContent-Type: application/json", body.to_owned())
}
