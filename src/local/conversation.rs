//! One connection: a line that asks, lines that answer.

use std::io;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::protocol::{Command, ImageRow, Reply};
use crate::access::Requester;
use crate::agent::Agent;
use crate::audit::Rejection;
use crate::domain::ImageReference;
use crate::freeze::Freeze;
use crate::operation::{Completed, Ended, Operation, Request, asked_by};

/// A line holds a tag, or a reason.
const LONGEST_LINE: u64 = 4096;
/// For a client to send its line, and to take one of ours.
const LINE_TIMEOUT: Duration = Duration::from_secs(5);
/// Progress is told this often at most.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// The other end.
struct Peer<'a> {
    agent: &'a Agent,
    uid: u32,
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
}

/// What no operation is made of: the status that the API would answer, and why.
type Refusal = (u16, String);

/// Reads the request of a connection and answers it.
pub(super) async fn converse(stream: UnixStream, agent: &Agent, uid: u32) {
    let (from, to) = stream.into_split();
    let mut peer = Peer {
        agent,
        uid,
        from: BufReader::new(from),
        to,
    };
    let mut asked = String::from("no request");
    let answered = match peer.command().await {
        Ok(command) => {
            asked = title(&command);
            peer.answer(command).await
        }
        Err(refusal) => Err(refusal),
    };
    let reply = match answered {
        Ok(Some(reply)) => reply,
        // It has left.
        Ok(None) => return,
        Err((http, text)) => {
            peer.record_rejection(http, asked, &text);
            Reply::Refused { text }
        }
    };
    if let Err(error) = peer.tell(&reply).await {
        log::debug!("the operator's socket: nobody took the answer: {error}");
    }
}

impl Peer<'_> {
    async fn command(&mut self) -> Result<Command, Refusal> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.from).take(LONGEST_LINE);
        let read = tokio::time::timeout(LINE_TIMEOUT, bounded.read_until(b'\n', &mut line));
        match read.await {
            Ok(Ok(_)) if line.ends_with(b"\n") => {}
            Ok(Ok(_) | Err(_)) | Err(_) => {
                return Err((400, "one line of JSON is expected".to_owned()));
            }
        }
        serde_json::from_slice(&line).map_err(|error| {
            let text = format!(
                "not a request of the operator's socket ({error}): it can look, pull, prune, freeze and thaw; the \
                 runtime is deployed and stopped through the API alone"
            );
            (400, text)
        })
    }

    /// None when whoever asked has left.
    async fn answer(&mut self, command: Command) -> Result<Option<Reply>, Refusal> {
        let request = match command {
            Command::Status {} => {
                let overview = Box::new(self.agent.overview());
                return Ok(Some(Reply::Status { overview }));
            }
            Command::Prune {
                keep,
                remove: false,
            } => return self.unneeded(keep).await.map(Some),
            Command::Prune { keep, remove: true } => Request::Prune { keep },
            Command::Pull { image } => Request::Pull {
                image: self.image(&image)?,
            },
            Command::Freeze { reason, until } => {
                let freeze = Freeze::parse(&reason, &until, OffsetDateTime::now_utc());
                Request::Freeze(freeze.map_err(|text| (400, text))?)
            }
            Command::Thaw {} => Request::Thaw,
        };
        let requester = Requester::local(self.uid);
        let operation = Operation::new(request, requester, Instant::now());
        Ok(self.carry_out(operation).await.map(ended))
    }

    /// A tag, or the whole reference, by the rules of a deploy.
    fn image(&self, text: &str) -> Result<ImageReference, Refusal> {
        let reference = match text.contains(['/', ':', '@']) {
            true => text.to_owned(),
            false => format!("{}:{text}", self.agent.repository().as_str()),
        };
        let parsed = self.agent.parse_image(&reference);
        parsed.map_err(|error| (422, error.to_string()))
    }

    async fn unneeded(&self, keep: usize) -> Result<Reply, Refusal> {
        let found = self.agent.unneeded_images(keep).await;
        let found = found.map_err(|error| (503, error.to_string()))?;
        let images = found.into_iter().map(|unneeded| ImageRow {
            reference: unneeded.image.reference,
            bytes: unneeded.image.size,
            last_ran_at: unneeded.last_ran_at,
        });
        Ok(Reply::Images {
            images: images.collect(),
        })
    }

    /// Submits the operation and tells its progress; letting go of it when the other end has left ends what may be ended.
    async fn carry_out(&mut self, operation: Operation) -> Option<Ended> {
        let pulls = matches!(operation.request, Request::Pull { .. });
        let mut progress = self.agent.pulling();
        let outcome = self.agent.submit(operation);
        let mut outcome = std::pin::pin!(outcome);
        let mut next = tokio::time::Instant::now();
        loop {
            tokio::select! {
                biased;
                ended = &mut outcome => return Some(ended),
                () = gone(&mut self.from) => return None,
                () = tokio::time::sleep_until(next), if pulls => {
                    next = tokio::time::Instant::now() + PROGRESS_INTERVAL;
                    let news = progress.has_changed().unwrap_or(false);
                    let shown = progress.borrow_and_update().clone();
                    if news && shown.operation.is_some() {
                        let reply = Reply::Progress { text: shown.to_string() };
                        if tell(&mut self.to, &reply).await.is_err() {
                            return None;
                        }
                    }
                }
            }
        }
    }

    async fn tell(&mut self, reply: &Reply) -> io::Result<()> {
        tell(&mut self.to, reply).await
    }

    fn record_rejection(&self, http: u16, request: String, reason: &str) {
        self.agent.record_rejection(Rejection {
            http,
            request,
            reason: reason.to_owned(),
            requester: asked_by(&Requester::local(self.uid), None, None),
            image: None,
        });
    }
}

/// One request a connection: whatever comes behind it, an end or a byte, says that nobody waits.
async fn gone(from: &mut BufReader<OwnedReadHalf>) {
    let mut byte = [0];
    // An error is an end too.
    drop(from.read_exact(&mut byte).await);
}

async fn tell(to: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    tokio::time::timeout(LINE_TIMEOUT, to.write_all(&line)).await?
}

fn ended(ended: Ended) -> Reply {
    let (succeeded, text, removed) = match ended.result {
        Ok(Completed::Pruned { names }) => (true, format!("{} removed", names.len()), names),
        Ok(completed) => (true, completed.to_string(), Vec::new()),
        Err(failure) => (false, failure.reason, Vec::new()),
    };
    Reply::Ended {
        succeeded,
        text,
        operation: ended.operation,
        audit_head: ended.audit_head.map(|anchor| anchor.to_string()),
        removed,
    }
}

fn title(command: &Command) -> String {
    match command {
        Command::Status {} => "local status".to_owned(),
        // Not what was asked for: it may be anything, a secret among it.
        Command::Pull { .. } => "local pull".to_owned(),
        Command::Prune { .. } => "local prune".to_owned(),
        Command::Freeze { .. } => "local freeze".to_owned(),
        Command::Thaw {} => "local thaw".to_owned(),
    }
}
