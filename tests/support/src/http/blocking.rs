//! The reader for code that waits in a thread of its own, and the smallest client on top of it: what is sent is what
//! the test wrote, what came back is kept whole.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, ReadBuf};

use super::{BodyReader, Head, Wire, cut_short, find};

/// Longer than any budget of the tests: an answer that does not come is a failure, not a hang.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(100);

/// A blocking stream for [`Wire`]: each read is waited for on the spot.
#[derive(Debug)]
pub struct Blocking<S>(pub S);

impl<S: Read + Unpin> AsyncRead for Blocking<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.0.read(buffer.initialize_unfilled())?;
        buffer.advance(size);
        Poll::Ready(Ok(()))
    }
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("a blocking stream never makes anybody wait"),
    }
}

/// The next request with its body, or nothing when the client has closed.
///
/// # Errors
/// Reading failed, or it is no request.
pub fn request<S: Read + Unpin>(
    wire: &mut Wire<Blocking<S>>,
) -> io::Result<Option<(Head, Vec<u8>)>> {
    let Some(head) = at_once(wire.head())? else {
        return Ok(None);
    };
    let body = at_once(BodyReader::of_request(&head)?.collect(wire))?;
    Ok(Some((head, body)))
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Of its status line.
    pub status: u16,
    /// As text, without the blank line behind it.
    pub head: String,
    /// As text.
    pub body: String,
}

impl Answer {
    /// Takes an answer apart that was read to the connection's end.
    ///
    /// # Panics
    /// It is none.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
        let (head, body) = (head.to_owned(), body.to_owned());
        Self { status, head, body }
    }

    /// Every answer in what came back, each framed and whole.
    ///
    /// # Errors
    /// Something of it is no answer, or one is cut short.
    pub fn all(bytes: &[u8]) -> io::Result<Vec<Self>> {
        let mut wire = Wire::new(Blocking(bytes));
        let mut all = Vec::new();
        while let Some(head) = at_once(wire.head())? {
            all.push(Self::behind(head, &mut wire)?);
        }
        Ok(all)
    }

    fn behind<S: Read + Unpin>(head: Head, wire: &mut Wire<Blocking<S>>) -> io::Result<Self> {
        let body = at_once(BodyReader::of_answer(&head, "GET")?.collect(wire))?;
        let lines = head.headers.iter();
        let lines = lines.map(|(name, value)| format!("\r\n{name}: {value}"));
        Ok(Self {
            status: head.status()?,
            head: lines.fold(head.start.clone(), |head, line| head + &line),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// The body as JSON; every answer of the agent to an HTTP request is.
    ///
    /// # Panics
    /// It is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.head, self.body))
    }

    /// The reason of an error of the agent.
    ///
    /// # Panics
    /// It has not exactly the contract's shape.
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

    /// The value of a header, in any case.
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

/// A connection that sends requests and reads their answers by their framing.
#[derive(Debug)]
pub struct Connection<S> {
    wire: Wire<Blocking<S>>,
}

impl Connection<TcpStream> {
    /// To a loopback port.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn tcp(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self::new(stream))
    }
}

impl Connection<UnixStream> {
    /// To a socket.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self::new(stream))
    }

    /// Sends a request whose answer has no end, and gives back its body line by line.
    ///
    /// # Errors
    /// The connection failed, or it was not answered.
    pub fn lines(mut self, request: &[u8]) -> io::Result<impl Iterator<Item = String> + use<>> {
        self.wire.stream().0.set_read_timeout(None)?;
        self.send(request)?;
        let head = at_once(self.wire.head())?.ok_or_else(cut_short)?;
        let mut body = BodyReader::of_answer(&head, "GET")?;
        let mut text = Vec::new();
        Ok(std::iter::from_fn(move || {
            loop {
                if let Some(end) = find(&text, b"\n") {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    return Some(String::from_utf8_lossy(&line[..end]).into_owned());
                }
                text.extend(at_once(body.next(&mut self.wire)).ok()??);
            }
        }))
    }
}

impl<S: Read + Write + Unpin> Connection<S> {
    /// Over a stream that is connected.
    pub fn new(stream: S) -> Self {
        Self {
            wire: Wire::new(Blocking(stream)),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The peer does not take them.
    pub fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.wire.stream().0.write_all(request)
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// It is none, or the connection ended before its end.
    pub fn receive(&mut self) -> io::Result<Answer> {
        let head = at_once(self.wire.head())?.ok_or_else(cut_short)?;
        Answer::behind(head, &mut self.wire)
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// As of sending and receiving.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.send(request)?;
        self.receive()
    }

    /// Sends bytes and reads to the end of the connection.
    ///
    /// # Errors
    /// Reading or writing failed.
    pub fn to_end(mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.send(request)?;
        let mut all = Vec::new();
        self.wire.stream().0.read_to_end(&mut all)?;
        Ok(all)
    }
}
