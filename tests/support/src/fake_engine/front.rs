//! The side that clients see: a unix socket, one request a connection, and the
//! faults and gates around whatever answers behind it.

use std::future::Future;
use std::io;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};

use super::controls::Controls;
use super::deliver;
use super::fault::{Fault, When};
use super::http::{BodyReader, Wire};
use super::message::{Answer, Body, Request};
use super::verb::Verb;

/// How long a stopping engine lets answers that are under way finish.
const LAST_ANSWERS: Duration = Duration::from_millis(300);

pub(crate) type Answering = Pin<Box<dyn Future<Output = io::Result<Answer>> + Send>>;

/// Whatever acts on a request: the simulated host, or a real engine.
pub(crate) trait Backend: Send + Sync + 'static {
    fn answer(self: Arc<Self>, request: Request) -> Answering;
}

/// An open socket and its connections.
#[derive(Debug)]
pub(crate) struct Front {
    close: oneshot::Sender<Ending>,
    closed: std_mpsc::Receiver<()>,
}

/// How a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Answers under way may still finish.
    Orderly,
    /// Every connection breaks, and what it was doing stops halfway.
    Crash,
}

impl Front {
    pub fn open<B: Backend>(
        path: &Path,
        runtime: &Handle,
        controls: Arc<Controls>,
        backend: Arc<B>,
    ) -> io::Result<Front> {
        let listener = bound(path)?;
        let path = path.to_owned();
        let (close, closing) = oneshot::channel();
        let (closed_sender, closed) = std_mpsc::channel();
        runtime.spawn(async move {
            if let Ok(listener) = UnixListener::from_std(listener) {
                let door = Door {
                    path,
                    listener: Some(listener),
                };
                accept(door, closing, controls, backend).await;
            }
            drop(closed_sender);
        });
        Ok(Front { close, closed })
    }

    /// Returns when the listener and every connection are gone.
    pub fn close(self, ending: Ending) {
        if self.close.send(ending).is_ok() {
            // The sender is only ever dropped: the error is the signal.
            self.closed.recv().ok();
        }
    }
}

fn bound(path: &Path) -> io::Result<StdUnixListener> {
    let listener = StdUnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Where connections come in, unless they are refused.
struct Door {
    path: PathBuf,
    listener: Option<UnixListener>,
}

impl Door {
    async fn accept(&self) -> io::Result<UnixStream> {
        match &self.listener {
            Some(listener) => Ok(listener.accept().await?.0),
            None => std::future::pending().await,
        }
    }

    /// Without a listener the socket's file is still there, and a connection to it is refused.
    fn set(&mut self, refusing: bool) -> io::Result<()> {
        self.listener = None;
        if !refusing {
            std::fs::remove_file(&self.path)?;
            self.listener = Some(UnixListener::from_std(bound(&self.path)?)?);
        }
        Ok(())
    }
}

async fn accept<B: Backend>(
    mut door: Door,
    mut closing: oneshot::Receiver<Ending>,
    controls: Arc<Controls>,
    backend: Arc<B>,
) {
    let mut connections = JoinSet::new();
    let effects = Arc::new(tokio::sync::Mutex::new(JoinSet::new()));
    controls.refused.send_replace(false);
    let mut refusing = controls.refusing.subscribe();
    refusing.mark_changed();
    let ending = loop {
        tokio::select! {
            ending = &mut closing => break ending.unwrap_or(Ending::Crash),
            Ok(()) = refusing.changed() => {
                let refuse = *refusing.borrow_and_update();
                if refuse != *controls.refused.borrow() {
                    door.set(refuse).expect("a socket in a directory of the test's own");
                    controls.refused.send_replace(refuse);
                }
            }
            Ok(stream) = door.accept() => {
                let (controls, backend) = (controls.clone(), backend.clone());
                connections.spawn(serve(stream, controls, backend, effects.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    };
    drop(door);
    if ending == Ending::Orderly {
        let all = async { while connections.join_next().await.is_some() {} };
        // What is still open after that is a stream, which a real engine cuts too.
        tokio::time::timeout(LAST_ANSWERS, all).await.ok();
    }
    connections.shutdown().await;
    if ending == Ending::Crash {
        effects.lock().await.shutdown().await;
    }
}

type Effects = Arc<tokio::sync::Mutex<JoinSet<()>>>;

async fn serve<B: Backend>(
    stream: UnixStream,
    controls: Arc<Controls>,
    backend: Arc<B>,
    effects: Effects,
) {
    let (reader, mut out) = stream.into_split();
    let mut wire = Wire::new(reader);
    let Ok(Some(request)) = read_request(&mut wire).await else {
        return;
    };
    let (verb, ticket) = (request.verb, controls.record(&request));
    let acting = act(request, controls.clone(), backend, effects);
    let (answer, fault) = tokio::select! {
        acted = acting => match acted {
            Some(acted) => acted,
            None => return,
        },
        () = wire.closed() => return,
    };
    let delivering = write(&mut out, verb, answer, fault, &controls);
    tokio::select! {
        delivered = delivering => if let Ok(Some(status)) = delivered {
            controls.mark_answered(ticket, status);
        },
        () = wire.closed() => {}
    }
}

async fn read_request(wire: &mut Wire<OwnedReadHalf>) -> io::Result<Option<Request>> {
    let Some(head) = wire.head().await? else {
        return Ok(None);
    };
    let body = BodyReader::of_request(&head)?.collect(wire).await?;
    Ok(Some(Request::new(head, body)))
}

/// Everything between a request and its answer. Nothing when the engine broke.
async fn act<B: Backend>(
    request: Request,
    controls: Arc<Controls>,
    backend: Arc<B>,
    effects: Effects,
) -> Option<(Answer, Option<Fault>)> {
    let verb = request.verb;
    let passage = controls.gates.enter(verb);
    controls.thawed().await;
    let fault = controls.faults.due(verb);
    controls.gates.pass(&passage, When::BeforeEffect).await;
    if fault.as_ref().is_some_and(|fault| !fault.has_effect()) {
        return Some((Answer::empty(200), fault));
    }
    let answer = effect(request, backend, &effects).await?;
    controls.gates.pass(&passage, When::AfterEffect).await;
    controls.thawed().await;
    Some((answer, fault))
}

/// Docker 20.10 finishes what it began when the client leaves, except a pull.
async fn effect<B: Backend>(
    request: Request,
    backend: Arc<B>,
    effects: &Effects,
) -> Option<Answer> {
    let answering = backend.answer(request.clone());
    if request.verb == Verb::ImagePull || !request.verb.changes_something() {
        return answering.await.ok();
    }
    let (sender, receiver) = oneshot::channel();
    let mut running = effects.lock().await;
    while running.try_join_next().is_some_and(ended_well) {}
    running.spawn(async move {
        // The receiver is gone when the client is: the effect alone matters then.
        sender.send(answering.await).ok();
    });
    drop(running);
    receiver.await.ok()?.ok()
}

fn ended_well(ended: Result<(), JoinError>) -> bool {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
    true
}

async fn write(
    out: &mut OwnedWriteHalf,
    verb: Verb,
    answer: Answer,
    fault: Option<Fault>,
    controls: &Controls,
) -> io::Result<Option<u16>> {
    let Some(fault) = fault else {
        let status = answer.status;
        deliver::truly(out, answer, controls).await?;
        return Ok(Some(status));
    };
    let answer = match fault.when {
        When::AfterEffect if verb != Verb::Events => drained(answer).await,
        _ => answer,
    };
    deliver::spoilt(out, answer, &fault.kind, controls).await
}

/// The effect of a stream, such as a pull, is done only when the stream has ended.
async fn drained(answer: Answer) -> Answer {
    let Body::Stream(mut pieces) = answer.body else {
        return answer;
    };
    let (sender, kept) = tokio::sync::mpsc::channel(4096);
    while let Some(piece) = pieces.recv().await {
        // A longer stream than the channel holds is cut: the fault spoils it anyhow.
        sender.try_send(piece).ok();
    }
    Answer {
        body: Body::Stream(kept),
        ..answer
    }
}
