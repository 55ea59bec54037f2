//! The smallest HTTP client: what is sent is what the test wrote, what came back is kept whole.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Longer than any budget of the tests: an answer that does not come is a failure, not a hang.
const PATIENCE: Duration = Duration::from_secs(100);

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Takes an answer apart that was read to the connection's end.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
        let (head, body) = (head.to_owned(), body.to_owned());
        Self { status, head, body }
    }

    /// The body as JSON; every answer of the agent is.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.head, self.body))
    }

    /// The reason of an error, which must be exactly the contract's shape.
    pub fn reason(&self) -> String {
        let json = self.json();
        let fields: Vec<_> = json
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        assert_eq!(fields, ["reason", "status"], "{json}");
        assert_eq!(json["status"], "error");
        let reason = json["reason"].as_str().expect("a reason is text");
        assert!(
            !reason.is_empty() && !reason.contains(['\n', '\r']),
            "{reason:?}"
        );
        reason.to_owned()
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// Sends bytes to a loopback port and reads to the end of the connection.
pub fn exchange(port: u16, request: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(Answer::parse(&answer))
}

/// Sends bytes and gives back whatever came until the connection ended.
pub fn exchange_raw(port: u16, request: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
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
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Answer::parse(&answer))
}
