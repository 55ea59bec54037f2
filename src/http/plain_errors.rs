//! The framework answers what it cannot read as a request (a broken request line, a head that is too large or does not
//! come) with a bare status. Every answer of this agent is JSON: the bare ones get their body on the way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::patience::Patient;

/// What the framework writes, and the reason that goes with it.
const BARE: [(&str, &str); 4] = [
    (
        "400 Bad Request",
        "the request is not HTTP/1.1 as this agent reads it; nothing was changed",
    ),
    (
        "408 Request Timeout",
        "the head of the request did not arrive in time; nothing was changed",
    ),
    (
        "413 Payload Too Large",
        "the request is too large; nothing was changed",
    ),
    (
        "431 Request Header Fields Too Large",
        "the head of the request is too large; nothing was changed",
    ),
];

/// A connection whose bare error answers leave it with a JSON body.
pub(super) struct JsonErrors {
    io: Patient,
    /// Bytes that were taken over and are not written yet.
    pending: Vec<u8>,
}

impl JsonErrors {
    pub(super) fn new(io: Patient) -> Self {
        Self {
            io,
            pending: Vec::new(),
        }
    }

    /// The connection itself.
    pub(super) fn io(&self) -> &Patient {
        &self.io
    }

    fn poll_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for JsonErrors {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for JsonErrors {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(context))?;
        match with_body(bytes) {
            None => Pin::new(&mut self.io).poll_write(context, bytes),
            Some(whole) => {
                self.pending = whole;
                // Taken over: what the socket does not take now, the next poll or the flush writes.
                match self.poll_pending(context) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(bytes.len())),
                }
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(context))?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(context))?;
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// The bytes with a body in their last answer, if that is a bare error. It is always the last: the framework closes the
/// connection behind it. Bodies of other answers are JSON, which holds no line break, so only a head can match.
fn with_body(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = bytes.strip_suffix(b"\r\n\r\n")?;
    let start = last_status_line(head)?;
    let text = std::str::from_utf8(&head[start..]).ok()?;
    let (status_line, headers) = text.split_once("\r\n").unwrap_or((text, ""));
    let status = status_line.strip_prefix("HTTP/1.1 ")?;
    let (_, reason) = BARE.iter().find(|(bare, _)| *bare == status)?;
    let names = |line: &&str, name: &str| {
        line.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    let kept = headers
        .lines()
        .filter(|line| !names(line, "content-length:"));
    // An answer that says what its body is has one.
    if headers.lines().any(|line| names(&line, "content-type:")) {
        return None;
    }
    let body = super::answer::error_body(reason);
    let mut whole = bytes[..start].to_vec();
    whole.extend_from_slice(status_line.as_bytes());
    whole.extend_from_slice(b"\r\n");
    for line in kept {
        whole.extend_from_slice(line.as_bytes());
        whole.extend_from_slice(b"\r\n");
    }
    let framing = format!(
        "content-length: {}\r\ncontent-type: application/json\r\n\r\n",
        body.len()
    );
    whole.extend_from_slice(framing.as_bytes());
    whole.extend_from_slice(&body);
    Some(whole)
}

/// Where the last status line begins: at the start, or behind the body of the answer before.
fn last_status_line(head: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b"HTTP/1.1 ";
    head.windows(MARK.len()).rposition(|window| window == MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_error_gets_a_body_and_others_stay_as_they_are() {
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: x\r\n\r\n";
        let whole = String::from_utf8(with_body(bare).expect("rewritten")).expect("text");
        assert!(
            whole.starts_with(
                "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ndate: x\r\ncontent-length: "
            ),
            "{whole}"
        );
        let (_, body) = whole.split_once("\r\n\r\n").expect("a body");
        assert!(
            body.starts_with("{\"status\":\"error\",\"reason\":\""),
            "{body}"
        );
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n",
            b"part of something",
        ] {
            assert_eq!(with_body(other), None);
        }
    }

    #[test]
    fn an_answer_before_it_is_kept() {
        let both = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let whole = String::from_utf8(with_body(both).expect("rewritten")).expect("text");
        assert!(
            whole.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 400"),
            "{whole}"
        );
        assert!(whole.ends_with("\"}"), "{whole}");
    }
}
