//! The same faults and gates in front of a real engine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::controls::Controls;
use super::front::{Answering, Backend, Ending, Front};
use super::http::{BodyReader, Wire};
use super::message::{Answer, Body, Request};
use super::server::Server;

/// A socket that leads to another one, with faults on the way.
#[derive(Debug)]
pub struct FaultProxy {
    controls: Arc<Controls>,
    front: Option<Front>,
    path: PathBuf,
    _server: Server,
}

impl FaultProxy {
    /// Listens on `path` and hands every call on to the engine at `upstream`.
    ///
    /// # Panics
    /// The socket cannot be made.
    pub fn start(path: &Path, upstream: &Path) -> Self {
        let server = Server::new();
        let controls = Arc::new(Controls::new());
        let backend = Arc::new(Upstream {
            path: upstream.to_owned(),
            runtime: server.handle(),
        });
        let front = Front::open(path, &server.handle(), controls.clone(), backend)
            .expect("the socket can be made");
        Self {
            controls,
            front: Some(front),
            path: path.to_owned(),
            _server: server,
        }
    }

    /// Faults, gates, the freeze and the log of calls.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(front) = self.front.take() {
            front.close(Ending::Crash);
        }
        // Gone already is as good.
        std::fs::remove_file(&self.path).ok();
    }
}

struct Upstream {
    path: PathBuf,
    runtime: tokio::runtime::Handle,
}

impl Backend for Upstream {
    fn answer(self: Arc<Self>, request: Request) -> Answering {
        Box::pin(async move { self.forward(&request).await })
    }
}

impl Upstream {
    async fn forward(&self, request: &Request) -> io::Result<Answer> {
        let (reader, mut out) = UnixStream::connect(&self.path).await?.into_split();
        let mut head = format!(
            "{} {} HTTP/1.1\r\nConnection: close\r\n",
            request.method, request.target
        );
        for (name, value) in &request.head.headers {
            let framing = ["connection", "content-length", "transfer-encoding"];
            if !framing.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
        out.write_all(head.as_bytes()).await?;
        out.write_all(&request.body).await?;
        let mut wire = Wire::new(reader);
        let head = wire
            .head()
            .await?
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let status = head.status()?;
        let content_type = head
            .header("content-type")
            .unwrap_or("application/json")
            .to_owned();
        let mut body = BodyReader::of_answer(&head, &request.method)?;
        if !body.is_stream() {
            let bytes = body.collect(&mut wire).await?;
            let body = if bytes.is_empty() {
                Body::Empty
            } else {
                Body::Full(bytes)
            };
            return Ok(Answer {
                status,
                content_type,
                body,
            });
        }
        let (sender, pieces) = mpsc::channel(256);
        self.runtime.spawn(async move {
            // Held to the end: the engine cancels a pull when its client leaves.
            let _out = out;
            loop {
                let piece = tokio::select! {
                    piece = body.next(&mut wire) => piece,
                    () = sender.closed() => return,
                };
                match piece {
                    Ok(Some(piece)) => {
                        if sender.send(piece).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) | Err(_) => return,
                }
            }
        });
        Ok(Answer {
            status,
            content_type,
            body: Body::Stream(pieces),
        })
    }
}
