//! The smallest HTTP client that keeps its connection: what it costs is the same for agent and bare.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Longer than any operation: what does not answer is a failure, not a hang.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// A kept connection.
pub struct Connection<S: Read> {
    stream: BufReader<S>,
}

/// Status and body of an answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("an answer in JSON")
    }
}

impl Connection<TcpStream> {
    pub fn tcp(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::new(stream))
    }

    pub fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(request)
    }

    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.send(request)?;
        self.receive()
    }
}

impl Connection<UnixStream> {
    pub fn unix(path: &std::path::Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::new(stream))
    }

    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.get_mut().write_all(request)?;
        self.receive()
    }

    /// Sends a request whose answer is read line by line, without an end.
    pub fn open(mut self, request: &[u8]) -> io::Result<BufReader<UnixStream>> {
        self.stream.get_mut().set_read_timeout(None)?;
        self.stream.get_mut().write_all(request)?;
        self.head()?;
        Ok(self.stream)
    }
}

impl<S: Read> Connection<S> {
    fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Reads one answer.
    pub fn receive(&mut self) -> io::Result<Answer> {
        let (status, length) = self.head()?;
        let body = match length {
            Length::Known(length) => self.exactly(length)?,
            Length::Chunked => self.chunks()?,
        };
        Ok(Answer { status, body })
    }

    fn head(&mut self) -> io::Result<(u16, Length)> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no HTTP answer: {line:?}")))?;
        let mut length = Length::Known(0);
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else {
                return Ok((status, length));
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = Length::Known(value.trim().parse().map_err(io::Error::other)?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                length = Length::Chunked;
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
            body.extend(self.exactly(size)?);
            self.line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

enum Length {
    Known(usize),
    Chunked,
}
