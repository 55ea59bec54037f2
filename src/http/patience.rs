//! How long a connection may take without getting on.
//!
//! The framework bounds the first head of a connection only: half a second head, a chunked body that nobody reads any
//! more, or an answer that its client does not take would hold the connection for ever. It also goes on reading requests
//! whose answers pile up.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// From the first byte of a request until it is being served.
const TURN: Duration = super::HEAD_TIMEOUT;
/// For a client to make room for more of its answer.
const UNREAD: Duration = Duration::from_secs(30);

/// So many bytes at once, then what was read is answered: the framework queues every request that it finds in them.
const AT_ONCE: usize = 16 * 1024;

/// The requests of one connection, as the guard sees them.
#[derive(Debug, Default)]
pub(super) struct Served {
    begun: Cell<u64>,
    running: Cell<u32>,
    /// Of the running one the body is read: what comes now is of the next.
    whole: Cell<bool>,
    last: Cell<bool>,
}

/// A request is being served until this is dropped.
pub(super) struct Serving(Rc<Served>);

impl Served {
    pub(super) fn enter(self: &Rc<Self>) -> Serving {
        self.begun.set(self.begun.get() + 1);
        self.running.set(self.running.get() + 1);
        self.whole.set(false);
        Serving(Rc::clone(self))
    }

    /// Says that the request which is being served is there to its end.
    pub(super) fn is_whole(&self) {
        self.whole.set(true);
    }
}

impl Serving {
    /// Nothing more is read from this connection; it ends when the answer is written.
    pub(super) fn is_the_last(&self) {
        self.0.last.set(true);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
    }
}

/// A connection that ends when its client does not get on.
pub(super) struct Patient {
    io: TcpStream,
    served: Rc<Served>,
    /// Of [`Served::begun`], when bytes came last.
    seen: u64,
    /// Since when bytes come that are no request yet.
    coming: Option<Instant>,
    /// Such bytes came while a request was being served; their time runs from its end.
    early: bool,
    /// Since when the client takes nothing.
    unread: Option<Instant>,
    /// Bytes read since the last pause.
    read: usize,
    /// Wakes the connection at or before the end of either; made when it is first needed.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    pub(super) fn new(io: TcpStream) -> Self {
        Self {
            io,
            served: Rc::default(),
            seen: 0,
            coming: None,
            early: false,
            unread: None,
            read: 0,
            alarm: None,
        }
    }

    /// The connection itself.
    pub(super) fn io(&self) -> &TcpStream {
        &self.io
    }

    /// What the guard tells of its requests.
    pub(super) fn served(&self) -> Rc<Served> {
        Rc::clone(&self.served)
    }

    /// Whether `end` has come; if not, the connection is polled again at that time. An alarm that is set is left to
    /// ring, so that a request costs no timer.
    fn is_over(&mut self, end: Instant, context: &mut Context<'_>) -> bool {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if alarm.deadline() > end {
            alarm.as_mut().reset(end);
        }
        while alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= end {
                return true;
            }
            alarm.as_mut().reset(end);
        }
        false
    }

    /// Bytes have come: are they of a request that is not served yet?
    fn took(&mut self) {
        self.settle();
        if self.served.running.get() == 0 {
            self.coming.get_or_insert_with(Instant::now);
        } else if self.served.whole.get() {
            self.early = true;
        }
    }

    /// What came before a request that was served since belongs to it. What came early may be more than the next
    /// request: a client that sends ahead and then falls silent loses its connection sooner than others.
    fn settle(&mut self) {
        let (begun, running) = (self.served.begun.get(), self.served.running.get() > 0);
        if self.seen != begun || running {
            self.seen = begun;
            self.coming = None;
        }
        if !running && std::mem::take(&mut self.early) {
            self.coming = Some(Instant::now());
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.served.last.get() && self.served.running.get() == 0 {
            // The end of what is read; what is to be written is still written.
            return Poll::Ready(Ok(()));
        }
        if self.unread.is_some() {
            // Who takes no answer asks no more; the write that gets on wakes the reader.
            return Poll::Pending;
        }
        if self.read >= AT_ONCE {
            self.read = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if read.is_ready() && buffer.filled().len() > before {
            self.read += buffer.filled().len() - before;
            self.took();
        } else {
            self.read = 0;
            self.settle();
        }
        if let Some(since) = self.coming
            && self.is_over(since + TURN, context)
        {
            buffer.set_filled(before);
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        if written.is_ready() {
            if self.unread.take().is_some() {
                context.waker().wake_by_ref();
            }
            return written;
        }
        let since = *self.unread.get_or_insert_with(Instant::now);
        if self.is_over(since + UNREAD, context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
