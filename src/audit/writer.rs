//! The one thread that writes: takes what is queued, makes it durable together, answers in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::anchor::Anchor;
use super::budget::{Budget, Suppressed};
use super::chain::Entry;
use super::error::TrailError;
use super::event::{Event, RejectionsSuppressed};
use super::observation::ObservationsSuppressed;
use super::record;
use super::store::{Claim, INTERVAL, Store};

/// So many records at most share one write and one fdatasync.
const MAX_BATCH: usize = 256;
/// The head file is at most so many records behind.
const HEAD_EVERY: u64 = 256;

pub(super) type Answer<T> = oneshot::Sender<Result<T, TrailError>>;

pub(super) enum Message {
    Record {
        at: OffsetDateTime,
        event: Box<Event>,
        claim: Claim,
        answer: Answer<Anchor>,
    },
    /// A record that is counted where it finds no room.
    Bounded {
        at: OffsetDateTime,
        event: Box<Event>,
        budget: Arc<Budget>,
    },
    Probe(Answer<()>),
    Admit,
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    pub(super) queue: Receiver<Message>,
    /// How many records wait, shared with whoever queues.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) rejections: Arc<Budget>,
    pub(super) observations: Arc<Budget>,
    pub(super) store: Store,
}

/// A record to be written, and whoever waits for it.
type Waiting = (Entry, Waiter);

enum Waiter {
    Answer(Answer<Anchor>, Claim),
    /// Nobody: what cannot be written is counted.
    Budget(Arc<Budget>),
}

impl Writer {
    /// Writes until it is told to close or nobody holds the trail any more.
    pub(super) fn run(mut self) {
        let closed = loop {
            let mut batch = Vec::new();
            let after = match self.queue.recv_timeout(INTERVAL) {
                Ok(first) => self.gather(first, &mut batch),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break None,
            };
            let closes_operation = batch.iter().any(ends_operation);
            self.commit(batch);
            match after {
                Some(Message::Probe(answer)) => reply(answer, self.store.check()),
                Some(Message::Admit) => self.store.admit(),
                Some(Message::Close(closed)) => break Some(closed),
                _ => {}
            }
            self.settle(closes_operation);
        };
        self.tell_suppressed(true);
        self.store.note_head();
        // The directory is free before anybody is told that it is.
        drop(self.store);
        if let Some(closed) = closed
            && closed.send(()).is_err()
        {
            log::debug!("nobody waits for the audit trail to close");
        }
    }

    /// Takes `message` and what is queued behind it, up to one that is no record.
    fn gather(&mut self, message: Message, batch: &mut Vec<Waiting>) -> Option<Message> {
        let mut next = Some(message);
        while let Some(message) = next.take() {
            let (entry, waiter, claim) = match message {
                Message::Record {
                    at,
                    event,
                    claim,
                    answer,
                } => ((at, *event), Waiter::Answer(answer, claim), claim),
                Message::Bounded { at, event, budget } => {
                    ((at, *event), Waiter::Budget(budget), Claim::Spare)
                }
                other => return Some(other),
            };
            // Behind the last record there is room for outcomes only.
            if claim == Claim::Spare && !self.store.has_spare() {
                self.answer(waiter, Err(TrailError::NoRoomToSpare));
            } else {
                batch.push((entry, waiter));
            }
            if batch.len() < MAX_BATCH {
                next = self.queue.try_recv().ok();
            }
        }
        None
    }

    fn commit(&mut self, batch: Vec<Waiting>) {
        if batch.is_empty() {
            return;
        }
        let (entries, waiters): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let together = match waiters.iter().any(|one| one.claim() == Claim::Stop) {
            true => Claim::Stop,
            false => Claim::Ordinary,
        };
        match self.store.record(&entries, together) {
            Ok(anchors) => {
                for (waiter, anchor) in waiters.into_iter().zip(anchors) {
                    self.answer(waiter, Ok(anchor));
                }
            }
            // What does not fit together may fit one by one, the outcome among them.
            Err(_) if entries.len() > 1 => {
                for (entry, waiter) in entries.into_iter().zip(waiters) {
                    let one = self
                        .store
                        .record(std::slice::from_ref(&entry), waiter.claim());
                    self.conclude(entry, waiter, one.and_then(only));
                }
            }
            Err(error) => {
                for (entry, waiter) in entries.into_iter().zip(waiters) {
                    self.conclude(entry, waiter, Err(error.clone()));
                }
            }
        }
    }

    /// Answers for one record, which is kept for later if it must not be lost.
    fn conclude(&mut self, entry: Entry, waiter: Waiter, result: Result<Anchor, TrailError>) {
        if result.is_err() && matches!(waiter.claim(), Claim::Owed | Claim::Stop) {
            self.store.owe(entry);
        }
        self.answer(waiter, result);
    }

    fn answer(&self, waiter: Waiter, result: Result<Anchor, TrailError>) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        match waiter {
            // Nobody need wait for what is owed.
            Waiter::Answer(answer, Claim::Owed | Claim::Stop) => drop(answer.send(result)),
            Waiter::Answer(answer, _) => reply(answer, result),
            Waiter::Budget(budget) if result.is_err() => budget.suppress(Instant::now()),
            Waiter::Budget(_) => {}
        }
    }

    /// What can be done after the answers are given.
    fn settle(&mut self, closes_operation: bool) {
        self.tell_suppressed(false);
        self.store.rotate_if_due();
        if closes_operation || self.store.unnoted() >= HEAD_EVERY {
            self.store.note_head();
        }
        self.store.tick();
    }

    fn tell_suppressed(&mut self, at_once: bool) {
        if !self.store.has_spare() && !at_once {
            return;
        }
        let rejections = Arc::clone(&self.rejections);
        self.tell(&rejections, at_once, |count, since| {
            Event::RejectionsSuppressed(RejectionsSuppressed { count, since })
        });
        let observations = Arc::clone(&self.observations);
        self.tell(&observations, at_once, |count, since| {
            Event::ObservationsSuppressed(ObservationsSuppressed { count, since })
        });
    }

    fn tell(&mut self, budget: &Budget, at_once: bool, event: fn(u64, String) -> Event) {
        let now = Instant::now();
        let Some(Suppressed { count, since }) = budget.take(now, at_once) else {
            return;
        };
        let event = event(count, record::timestamp(since));
        let told = [(OffsetDateTime::now_utc(), event)];
        if let Err(error) = self.store.record(&told, Claim::Spare) {
            log::warn!("{count} rejections or observations are counted and not recorded: {error}");
            budget.put_back(count, now);
        }
    }
}

impl Waiter {
    fn claim(&self) -> Claim {
        match self {
            Self::Answer(_, claim) => *claim,
            Self::Budget(_) => Claim::Spare,
        }
    }
}

fn ends_operation((entry, _): &Waiting) -> bool {
    matches!(
        entry.1,
        Event::OperationEnded(_) | Event::OperationInterrupted(_)
    )
}

fn only(anchors: Vec<Anchor>) -> Result<Anchor, TrailError> {
    anchors.into_iter().next().ok_or(TrailError::Closed)
}

fn reply<T>(answer: Answer<T>, result: Result<T, TrailError>) {
    if let Err(Err(error)) = answer.send(result) {
        log::error!("nobody waited to hear that {error}");
    }
}
