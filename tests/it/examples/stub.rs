//! What stands in front of an agent, or in its place, and is not it: answers by route, as they were written here.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Route, status line behind `HTTP/1.1`, content type, body.
pub type Canned = (&'static str, &'static str, &'static str, String);

pub const JSON: &str = "application/json";
pub const LOGIN_PAGE: &str =
    "<!DOCTYPE html><html><title>Sign in - Cloudflare Access</title></html>";

/// Serves these answers on a loopback port until the test ends; a route that is not among them is cut.
pub fn serve(answers: Vec<Canned>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that is gone needs no answer.
            answer(stream, &answers).ok();
        }
    });
    port
}

fn answer(mut stream: TcpStream, answers: &[Canned]) -> std::io::Result<()> {
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
    let Some((_, status, kind, body)) = answers.iter().find(|canned| canned.0 == route) else {
        return Ok(());
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nLocation: https://example.com/login\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
