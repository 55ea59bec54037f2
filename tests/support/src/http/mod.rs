//! HTTP/1.1 by hand, once: what a server, a proxy and a small client need, and nothing
//! between a test and the bytes on the wire.
//!
//! [`Wire`] reads heads, [`BodyReader`] the body behind one. Both are async; [`blocking`] is the
//! same for code that waits, with the client of the tests and of the benchmark.

pub mod blocking;

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

const LONGEST_HEAD: usize = 64 * 1024;
const READ_SIZE: usize = 16 * 1024;
/// The first byte of a client that speaks TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// The start line and headers of a request or of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// Request line or status line, without its line end.
    pub start: String,
    /// In their order; values without the blanks around them.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first value of this header, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// The status code, when this is the head of an answer.
    ///
    /// # Errors
    /// It is none.
    pub fn status(&self) -> io::Result<u16> {
        let code = self.start.split(' ').nth(1).and_then(|c| c.parse().ok());
        code.ok_or_else(|| malformed("status line"))
    }

    /// Method and target, when this is the head of a request.
    pub fn request_line(&self) -> (&str, &str) {
        let mut words = self.start.split(' ').map(Some);
        let mut next = || words.next().flatten().unwrap_or_default();
        (next(), next())
    }

    fn parse(bytes: &[u8]) -> io::Result<Head> {
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("head"))?;
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Head { start, headers })
    }
}

/// How the end of a body is told.
#[derive(Debug)]
enum Framing {
    Length(u64),
    Chunked { in_chunk: u64 },
    UntilClose,
    Ended,
}

/// A body being read piece by piece.
#[derive(Debug)]
pub struct BodyReader(Framing);

impl BodyReader {
    /// The body of a request; without a length there is none.
    ///
    /// # Errors
    /// The length is no number.
    pub fn of_request(head: &Head) -> io::Result<BodyReader> {
        Self::framed(head, Framing::Ended)
    }

    /// The body of an answer to this method; without a length it ends with the connection.
    ///
    /// # Errors
    /// The head is no answer's, or the length is no number.
    pub fn of_answer(head: &Head, method: &str) -> io::Result<BodyReader> {
        let status = head.status()?;
        if method == "HEAD" || status == 204 || status == 304 || status < 200 {
            return Ok(BodyReader(Framing::Ended));
        }
        Self::framed(head, Framing::UntilClose)
    }

    fn framed(head: &Head, otherwise: Framing) -> io::Result<BodyReader> {
        let chunked = head.header("transfer-encoding");
        if chunked.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Ok(BodyReader(Framing::Chunked { in_chunk: 0 }));
        }
        match head.header("content-length").map(str::parse) {
            Some(Ok(length)) => Ok(BodyReader(Framing::Length(length))),
            Some(Err(_)) => Err(malformed("Content-Length")),
            None => Ok(BodyReader(otherwise)),
        }
    }

    /// Whether its length is not known before its end.
    pub fn is_stream(&self) -> bool {
        matches!(self.0, Framing::Chunked { .. } | Framing::UntilClose)
    }

    /// The next piece, or nothing at the body's proper end. A connection that ends
    /// before it is an error.
    ///
    /// # Errors
    /// Reading failed, the framing is broken, or the connection ended early.
    pub async fn next<R: AsyncRead + Unpin>(
        &mut self,
        wire: &mut Wire<R>,
    ) -> io::Result<Option<Vec<u8>>> {
        match &mut self.0 {
            Framing::Ended => Ok(None),
            Framing::UntilClose => Ok(wire.take_some(u64::MAX).await?),
            Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                let piece = wire.take_some(*left).await?.ok_or_else(cut_short)?;
                *left -= piece.len() as u64;
                Ok(Some(piece))
            }
            Framing::Chunked { in_chunk } => {
                if *in_chunk == 0 {
                    *in_chunk = wire.chunk_size().await?;
                }
                if *in_chunk == 0 {
                    wire.line().await?;
                    self.0 = Framing::Ended;
                    return Ok(None);
                }
                let piece = wire.take_some(*in_chunk).await?.ok_or_else(cut_short)?;
                *in_chunk -= piece.len() as u64;
                if *in_chunk == 0 {
                    wire.line().await?;
                }
                Ok(Some(piece))
            }
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// As of [`BodyReader::next`].
    pub async fn collect<R: AsyncRead + Unpin>(
        mut self,
        wire: &mut Wire<R>,
    ) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(piece) = self.next(wire).await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

/// The reading side of a connection, with what was read too far.
#[derive(Debug)]
pub struct Wire<R> {
    reader: R,
    ahead: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Wire<R> {
    /// Nothing is read yet.
    pub fn new(reader: R) -> Self {
        let ahead = Vec::new();
        Wire { reader, ahead }
    }

    /// What is read from. What was read ahead is not there any more.
    pub fn stream(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The next head, or nothing when the peer closed without a word.
    ///
    /// # Errors
    /// Reading failed, it is no head, too long, or cut short.
    pub async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n\r\n") {
                let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
                return Head::parse(&head[..end]).map(Some);
            }
            if self.ahead.len() > LONGEST_HEAD {
                return Err(malformed("head: too long"));
            }
            // An engine tries TLS first, and waits ten seconds for an answer to it.
            if self.ahead.first() == Some(&TLS_HANDSHAKE) {
                return Err(malformed("head: TLS"));
            }
            if !self.fill().await? {
                return if self.ahead.is_empty() {
                    Ok(None)
                } else {
                    Err(cut_short())
                };
            }
        }
    }

    /// Returns once the peer has closed its side; what it still sends is ignored.
    pub async fn closed(&mut self) {
        while let Ok(true) = self.fill().await {
            self.ahead.clear();
        }
    }

    async fn chunk_size(&mut self) -> io::Result<u64> {
        let line = self.line().await?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        u64::from_str_radix(digits, 16).map_err(|_| malformed("chunk size"))
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n") {
                let line: Vec<u8> = self.ahead.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.fill().await? {
                return Err(cut_short());
            }
        }
    }

    async fn take_some(&mut self, most: u64) -> io::Result<Option<Vec<u8>>> {
        if self.ahead.is_empty() && !self.fill().await? {
            return Ok(None);
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let size = self.ahead.len().min(most);
        Ok(Some(self.ahead.drain(..size).collect()))
    }

    async fn fill(&mut self) -> io::Result<bool> {
        let mut more = vec![0; READ_SIZE];
        let size = self.reader.read(&mut more).await?;
        self.ahead.extend_from_slice(&more[..size]);
        Ok(size > 0)
    }
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "unexpected EOF")
}
