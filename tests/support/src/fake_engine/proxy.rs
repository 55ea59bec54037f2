//! The same faults and gates in front of a real engine's socket.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::controls::Controls;
use super::front::{Answering, Backend, Ending};
use super::http::{BodyReader, Wire};
use super::message::{Answer, Body, Request};
use super::server::Server;

/// Headers about one connection only; ours are written by the delivering side.
const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "upgrade",
    "expect",
];

/// A unix socket that passes everything on to a real engine, unless told otherwise.
#[derive(Debug)]
pub struct FaultProxy {
    server: Server<Upstream>,
}

impl FaultProxy {
    /// Listens on `listen` in front of the engine at `upstream`.
    pub fn start(listen: impl AsRef<Path>, upstream: impl AsRef<Path>) -> FaultProxy {
        let socket = upstream.as_ref().to_owned();
        let server = Server::new(listen.as_ref(), |runtime| {
            Arc::new(Upstream { socket, runtime })
        });
        server.open();
        FaultProxy { server }
    }

    /// The socket that clients connect to.
    pub fn socket(&self) -> &Path {
        &self.server.socket
    }

    /// Faults, gates, the freeze and the log of calls.
    pub fn controls(&self) -> &Controls {
        &self.server.controls
    }

    /// Closes the socket and removes it; the engine behind knows nothing of it.
    pub fn stop_listening(&self) {
        self.server.close(Ending::Orderly);
    }

    /// Opens the socket again.
    pub fn start_listening(&self) {
        self.server.open();
    }
}

#[derive(Debug)]
struct Upstream {
    socket: PathBuf,
    runtime: Handle,
}

impl Backend for Upstream {
    fn answer(self: Arc<Self>, request: Request) -> Answering {
        Box::pin(async move { self.forward(request).await })
    }
}

impl Upstream {
    async fn forward(&self, request: Request) -> io::Result<Answer> {
        let (reader, mut out) = UnixStream::connect(&self.socket).await?.into_split();
        out.write_all(&written(&request)).await?;
        let mut wire = Wire::new(reader);
        let head = wire.head().await?;
        let head = head.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let body = BodyReader::of_answer(&head, &request.method)?;
        let status = head.status()?;
        let kind = head.header("content-type").unwrap_or("application/json");
        let content_type = kind.to_owned();
        let headers = head.headers.into_iter();
        let passed =
            headers.filter(|(name, _)| passes(name) && !name.eq_ignore_ascii_case("content-type"));
        let headers = passed.collect();
        let body = if body.is_stream() {
            let (sender, pieces) = mpsc::channel(16);
            // The writing half stays open with the task: an engine takes its end for a client that left.
            self.runtime.spawn(async move {
                pump(wire, body, sender).await;
                drop(out);
            });
            Body::Stream(pieces)
        } else {
            match body.collect(&mut wire).await? {
                empty if empty.is_empty() => Body::Empty,
                full => Body::Full(full),
            }
        };
        Ok(Answer {
            status,
            content_type,
            headers,
            body,
        })
    }
}

async fn pump(mut wire: Wire<OwnedReadHalf>, mut body: BodyReader, sender: mpsc::Sender<Vec<u8>>) {
    loop {
        tokio::select! {
            piece = body.next(&mut wire) => match piece {
                Ok(Some(piece)) => if sender.send(piece).await.is_err() { return },
                Ok(None) => return,
                // An empty piece breaks the client's connection as well; a client that left is fine too.
                Err(_) => return drop(sender.send(Vec::new()).await),
            },
            () = sender.closed() => return,
        }
    }
}

fn written(request: &Request) -> Vec<u8> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nConnection: close\r\n",
        request.method, request.target
    );
    for (name, value) in request.head.headers.iter().filter(|(name, _)| passes(name)) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !request.body.is_empty() || request.method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&request.body);
    bytes
}

fn passes(header: &str) -> bool {
    !HOP_BY_HOP
        .iter()
        .any(|hop| hop.eq_ignore_ascii_case(header))
}
