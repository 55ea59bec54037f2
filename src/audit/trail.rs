//! The handle: what the rest of the agent holds of the trail.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Instant;

use time::OffsetDateTime;
use tokio::sync::{oneshot, watch};

use super::anchor::Anchor;
use super::budget::{self, Budget};
use super::doubt::Doubt;
use super::error::TrailError;
use super::event::{Event, Rejection};
use super::last::LastOperations;
use super::ledger::LedgerEntry;
use super::lookup;
use super::observation::RuntimeObserved;
use super::options::{Opened, Readiness, TrailOptions};
use super::state::Known;
use super::store::{Claim, Store};
use super::writer::{Message, Writer};

/// More records than this wait only when the disk does not answer.
const MAX_QUEUED: usize = 1024;
/// Rejections and observations leave the other half of the queue to operations.
const MAX_QUEUED_OF_BOUNDED: usize = MAX_QUEUED / 2;

/// The trail. Cheap to clone; one thread behind all clones writes.
#[derive(Debug, Clone)]
pub struct Trail {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// `None` only while this is dropped.
    queue: Option<mpsc::Sender<Message>>,
    writer: Option<JoinHandle<()>>,
    waiting: Arc<AtomicUsize>,
    rejections: Arc<Budget>,
    observations: Arc<Budget>,
    known: Known,
    trouble: watch::Receiver<Option<String>>,
    directory: PathBuf,
}

impl Trail {
    /// Takes the state directory, repairs what a crash left, and writes `agent_started`.
    ///
    /// Blocks for as long as the newest file takes to read, a fraction of a second.
    ///
    /// # Errors
    /// [`TrailError::Locked`] at once when another agent has the directory; the others as they say.
    pub fn open(options: TrailOptions) -> Result<(Self, Opened), TrailError> {
        match Self::open_or_wait(options)? {
            (trail, Readiness::Open(opened)) => Ok((trail, opened)),
            (_, Readiness::Waiting(error, _)) => Err(error),
        }
    }

    /// The same, for an agent that must live on a full disk as well: there the trail is opened when there is room.
    ///
    /// # Errors
    /// As for [`open`](Self::open), but for a disk without room.
    pub fn open_or_wait(options: TrailOptions) -> Result<(Self, Readiness), TrailError> {
        let directory = options.state_directory.clone();
        let (known, trouble) = (Known::default(), watch::Sender::new(None));
        let troubled = trouble.subscribe();
        let (store, readiness) = Store::open(options, known.clone(), trouble)?;
        let trail = Self::start(store, known, troubled, directory.clone())
            .map_err(|error| TrailError::io("start a writer for", directory, &error))?;
        Ok((trail, readiness))
    }

    fn start(
        store: Store,
        known: Known,
        trouble: watch::Receiver<Option<String>>,
        directory: PathBuf,
    ) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let now = Instant::now();
        let rejections = Arc::new(Budget::new(budget::REJECTIONS, now));
        let observations = Arc::new(Budget::new(budget::OBSERVATIONS, now));
        let writer = Writer {
            queue: messages,
            waiting: Arc::clone(&waiting),
            rejections: Arc::clone(&rejections),
            observations: Arc::clone(&observations),
            store,
        };
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self {
            shared: Arc::new(Shared {
                queue: Some(queue),
                writer: Some(writer),
                waiting,
                rejections,
                observations,
                known,
                trouble,
                directory,
            }),
        })
    }

    /// Records `event`. It is queued, in order, when this returns; awaiting the answer says whether
    /// it is durable. So the answer may be awaited at once, or beside a call to the engine.
    ///
    /// Cancel-safe: the record is written whether or not somebody waits for the answer.
    ///
    /// # Errors
    /// Through the answer: the disk refused ([`TrailError::Io`]; nothing of the record stays in the
    /// file), too many records wait, or the trail is closed.
    pub fn append(&self, event: Event) -> Pending {
        self.send_record(event, Claim::Ordinary)
    }

    /// The same for a record that a full disk may lose: it leaves the room that is set aside to what is under way.
    ///
    /// # Errors
    /// As for [`append`](Self::append), and [`TrailError::NoRoomToSpare`].
    pub fn append_to_spare(&self, event: Event) -> Pending {
        self.send_record(event, Claim::Spare)
    }

    /// The same for a record that must not be lost: where there is no room, the answer says so, and it is written as soon
    /// as there is some. Those of an emergency stop may also take the reserve that is kept `for_stop`.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn append_or_owe(&self, event: Event, for_stop: bool) -> Pending {
        let claim = if for_stop { Claim::Stop } else { Claim::Owed };
        self.send_record(event, claim)
    }

    fn send_record(&self, event: Event, claim: Claim) -> Pending {
        let (answer, pending) = oneshot::channel();
        let pending = Pending(pending);
        let waiting = self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if waiting >= MAX_QUEUED && claim != Claim::Stop {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            if answer.send(Err(TrailError::Behind(waiting))).is_err() {
                log::error!("{}", TrailError::Behind(waiting));
            }
            return pending;
        }
        // A queue that is closed drops the answer, and the answer that is dropped says so.
        self.shared.send(Message::Record {
            at: OffsetDateTime::now_utc(),
            event: Box::new(event),
            claim,
            answer,
        });
        pending
    }

    /// Whether an operation begun now could be recorded to its end: the file is the agent's own and writable, room for the
    /// records of an operation is set aside on the disk, and room for those of a stop after it.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub async fn probe(&self) -> Result<(), TrailError> {
        let (answer, answered) = oneshot::channel();
        self.shared.send(Message::Probe(answer));
        answered.await.unwrap_or(Err(TrailError::Closed))
    }

    /// Records that a request was rejected, if the budget for that allows; else counts it.
    /// Never waits, never fails.
    pub fn rejected(&self, rejection: Rejection) {
        self.bounded(Event::Rejected(rejection), &self.shared.rejections);
    }

    /// Records what was seen of the runtime container, if the budget for that allows; else counts it.
    /// Never waits, never fails.
    pub fn observed(&self, observed: RuntimeObserved) {
        let event = Event::RuntimeObserved(Box::new(observed));
        self.bounded(event, &self.shared.observations);
    }

    fn bounded(&self, event: Event, budget: &Arc<Budget>) {
        let now = Instant::now();
        let shared = &self.shared;
        if shared.waiting.load(Ordering::Relaxed) >= MAX_QUEUED_OF_BOUNDED {
            budget.suppress(now);
        } else if budget.admit(now) {
            shared.waiting.fetch_add(1, Ordering::Relaxed);
            shared.send(Message::Bounded {
                at: OffsetDateTime::now_utc(),
                event: Box::new(event),
                budget: Arc::clone(budget),
            });
        }
    }

    /// To which identity `reference` (`repository:tag`) is bound, if it was ever deployed.
    pub fn ledger_lookup(&self, reference: &str) -> Option<LedgerEntry> {
        self.shared.known.ledger.read().get(reference).cloned()
    }

    /// Why the ledger may not know every tag, oldest first; empty when nothing is doubted, or all of it is acknowledged.
    #[must_use]
    pub fn doubts(&self) -> Vec<Doubt> {
        self.shared.known.doubts.get()
    }

    /// Whether this trail has begun `operation`, or an operator has acknowledged that it has not. Blocks: a trail of
    /// which it is neither the last one nor the first of a tag is read from its newest file on, at worst as a whole.
    ///
    /// # Errors
    /// The trail cannot be read.
    pub fn knows_operation(&self, operation: &str) -> io::Result<bool> {
        let known = &self.shared.known;
        let named =
            known.last.names_operation(operation) || known.ledger.read().names_operation(operation);
        Ok(named || lookup::knows_operation(&self.shared.directory, operation)?)
    }

    /// How the last operations on the runtime ended, as far back as the newest file of the trail goes.
    pub fn last_operations(&self) -> LastOperations {
        self.shared.known.last.get()
    }

    /// The newest durable record.
    pub fn head(&self) -> Anchor {
        self.shared.known.head.get()
    }

    /// Whether it is open: until then nothing is known of it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.known.damage.get().is_some()
    }

    /// What was wrong with it when it was opened.
    #[must_use]
    pub fn damage(&self) -> &[String] {
        self.shared.known.damage.get().map_or(&[], Vec::as_slice)
    }

    /// Why no operation but a stop may begin now; looked at every few seconds.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.shared.trouble.clone()
    }

    /// Says of a trail that was opened late that operations may begin.
    pub fn admit(&self) {
        self.shared.send(Message::Admit);
    }

    /// Writes what is queued, gives the state directory free and ends the writer. Other clones get
    /// [`TrailError::Closed`] from then on.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        self.shared.send(Message::Close(answer));
        // An error means that it was closed before.
        closed.await.unwrap_or(());
    }
}

impl Shared {
    fn send(&self, message: Message) {
        let sent = self.queue.as_ref().map(|queue| queue.send(message));
        if !matches!(sent, Some(Ok(()))) {
            log::debug!("{}", TrailError::Closed);
        }
    }
}

impl Drop for Shared {
    /// Waits for what is queued, so that the directory is free when the last clone is gone.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            log::error!("the writer of the audit trail panicked");
        }
    }
}

/// The answer to an appended record.
#[derive(Debug)]
#[must_use = "a record is durable only when its answer says so"]
pub struct Pending(oneshot::Receiver<Result<Anchor, TrailError>>);

impl Future for Pending {
    type Output = Result<Anchor, TrailError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(TrailError::Closed)))
    }
}
