//! One request to the agent or to an engine, over a connection of its own.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;

pub use dreichor_test_support::http::blocking::Answer;
use dreichor_test_support::http::blocking::{ANSWER_TIMEOUT, Connection};
use serde_json::Value;

/// Sends bytes to a loopback port and reads to the end of the connection.
pub fn exchange(port: u16, request: &[u8]) -> io::Result<Answer> {
    let answer = Connection::tcp(port)?.to_end(request)?;
    Ok(Answer::parse(&answer))
}

/// Sends bytes and gives back whatever came until the connection ended.
pub fn exchange_raw(port: u16, request: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let wait = Some(ANSWER_TIMEOUT);
        stream.set_read_timeout(wait).expect("a timeout");
        // A reset is an end as well.
        stream
            .write_all(request)
            .and_then(|()| stream.read_to_end(&mut answer))
            .ok();
    }
    answer
}

/// One call on an engine's socket. HTTP/1.0, so that the answer comes unchunked and the connection ends.
pub fn engine_call(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let answer = try_engine_call(socket, method, path, body);
    answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// The same, where the engine may be gone.
pub fn try_engine_call(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> io::Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let answer = Connection::unix(socket)?.to_end(request.as_bytes())?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Answer::parse(&answer))
}
