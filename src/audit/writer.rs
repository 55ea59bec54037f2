//! The one thread that writes: groups what waits, writes it at once, makes it durable once, then answers all.

use std::fs::{File, OpenOptions as FileOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use rustix::fs::FallocateFlags;
use tokio::sync::oneshot;

use super::bounds::to_json;
use super::chain::{Chain, Record, hash_of_line};
use super::error::TrailError;
use super::event::{Event, TrailContinued};
use super::files;
use super::recovery::write_ledger;
use super::trail::{OpenOptions, Receipt, Shared};

/// Room that is set aside on the disk before an operation begins; the records of one take some 10 KiB.
const RESERVE: u64 = 256 * 1024;
/// When less than this is left of it, it is filled up.
const RESERVE_LOW: u64 = 128 * 1024;
/// Records in one write.
const GROUP: usize = 256;

pub(super) type Answer = oneshot::Sender<Result<Receipt, TrailError>>;

/// What the handle asks of the writer.
pub(super) enum Message {
    Append {
        at: String,
        event: Box<Event>,
        answer: Answer,
    },
    Probe(oneshot::Sender<Result<(), TrailError>>),
    Close(oneshot::Sender<()>),
}

/// A record that waits to be written.
struct Waiting {
    at: String,
    event: Box<Event>,
    answer: Answer,
}

pub(super) struct Writer {
    options: OpenOptions,
    path: PathBuf,
    file: File,
    head: File,
    chain: Chain,
    /// Bytes of whole records in the file.
    length: u64,
    /// Bytes of the file that the disk has promised.
    reserved: u64,
    /// A failed write may have left something behind the last whole record.
    dirty: bool,
    shared: Arc<Shared>,
    _lock: File,
}

impl Writer {
    pub(super) fn new(
        options: OpenOptions,
        chain: Chain,
        length: u64,
        shared: Arc<Shared>,
        lock: File,
    ) -> Result<Self, TrailError> {
        let path = options.state_directory.join(files::TRAIL);
        let file = files::open_private(&path, FileOptions::new().create(true).append(true))?;
        let head_path = options.state_directory.join(files::HEAD);
        let head = files::open_private(
            &head_path,
            FileOptions::new().create(true).truncate(false).write(true),
        )?;
        Ok(Self {
            options,
            path,
            file,
            head,
            chain,
            length,
            reserved: 0,
            dirty: false,
            shared,
            _lock: lock,
        })
    }

    /// Serves until it is told to close, or until every handle is gone.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            let mut group = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Append { at, event, answer } => {
                        group.push(Waiting { at, event, answer });
                    }
                    Message::Probe(answer) => {
                        self.write_group(std::mem::take(&mut group));
                        // Whoever asked may have left.
                        answer.send(self.prepare()).ok();
                    }
                    Message::Close(answer) => {
                        self.write_group(std::mem::take(&mut group));
                        if let Err(error) = self.head.sync_data() {
                            log::warn!("audit trail: its head could not be made durable: {error}");
                        }
                        drop(self);
                        answer.send(()).ok();
                        return;
                    }
                }
                next = (group.len() < GROUP)
                    .then(|| messages.try_recv().ok())
                    .flatten();
            }
            self.write_group(group);
        }
    }

    /// Writes one record now; for the records of opening, before the thread runs.
    pub(super) fn write_now(&mut self, at: String, event: Event) -> Result<Receipt, TrailError> {
        let (answer, mut answered) = oneshot::channel();
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.write_group(vec![Waiting {
            at,
            event: Box::new(event),
            answer,
        }]);
        answered.try_recv().unwrap_or(Err(TrailError::Closed))
    }

    fn write_group(&mut self, group: Vec<Waiting>) {
        if group.is_empty() {
            return;
        }
        let count = group.len();
        let (mut lines, mut answers) = (Vec::new(), Vec::new());
        let mut head = self.chain.head.clone();
        let mut prepared = None;
        for Waiting { at, event, answer } in group {
            // What begins something must be sure that its end can be recorded too.
            if begins(&event) {
                let ready = prepared.get_or_insert_with(|| self.prepare());
                if let Err(error) = ready {
                    answer.send(Err(error.clone())).ok();
                    continue;
                }
            }
            let record = Record {
                seq: head.seq + 1,
                at: &at,
                agent_version: &self.options.agent_version,
                prev: &head.hash,
                event: &event,
            };
            match to_json(&record) {
                Ok(line) => {
                    head = Receipt {
                        seq: head.seq + 1,
                        hash: hash_of_line(&line),
                    };
                    lines.push(line);
                    answers.push((answer, head.clone()));
                }
                Err(error) => {
                    let problem = format!("a record cannot be written as JSON: {error}");
                    let path = self.path.clone();
                    answer.send(Err(TrailError::Damaged { path, problem })).ok();
                }
            }
        }
        let written = if lines.is_empty() {
            Ok(())
        } else {
            self.write_lines(&lines)
        };
        // Before the answers: whoever is answered may ask at once for what was written.
        if written.is_ok() {
            self.learn(&lines, &answers);
        }
        self.shared.waiting.fetch_sub(count, Ordering::Relaxed);
        for (answer, receipt) in answers {
            // A record that nobody waits for is written all the same.
            answer.send(written.clone().map(|()| receipt)).ok();
        }
        if written.is_ok()
            && self.length >= self.options.rotate_at
            && let Err(error) = self.rotate()
        {
            log::error!(
                "audit trail: it could not go on in a new file, and stays in this one: {error}"
            );
        }
    }

    /// One write, one fdatasync; of a write that fails nothing stays in the file.
    fn write_lines(&mut self, lines: &[Vec<u8>]) -> Result<(), TrailError> {
        self.clean()?;
        let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        let written = (&self.file)
            .write_all(&bytes)
            .and_then(|()| rustix::fs::fdatasync(&self.file).map_err(io::Error::from));
        if let Err(error) = written {
            self.dirty = true;
            let failed = TrailError::io("write", &self.path, &error);
            if let Err(error) = self.clean() {
                log::error!("audit trail: half a record could not be taken back yet: {error}");
            }
            return Err(failed);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Takes back what a failed write left.
    fn clean(&mut self) -> Result<(), TrailError> {
        if self.dirty {
            let cut = self
                .file
                .set_len(self.length)
                .and_then(|()| self.file.sync_all());
            cut.map_err(|error| TrailError::io("cut", &self.path, &error))?;
            self.dirty = false;
            // Cutting gives back what was set aside behind the end.
            self.reserved = 0;
        }
        Ok(())
    }

    fn learn(&mut self, lines: &[Vec<u8>], answers: &[(Answer, Receipt)]) {
        for (line, (_, receipt)) in lines.iter().zip(answers) {
            let known = self.chain.ledger.len();
            if let Some(parsed) = Chain::parse(line) {
                self.chain.learn(&parsed);
            }
            self.chain.head = receipt.clone();
            if self.chain.ledger.len() > known {
                self.shared.publish_ledger(&self.chain.ledger);
            }
        }
        self.shared.publish_head(&self.chain.head);
        let text = format!("{:020}:{}\n", self.chain.head.seq, self.chain.head.hash);
        // Behind the records, never before them: it may be late, it never knows more than the trail.
        if let Err(error) = self.head.write_all_at(text.as_bytes(), 0) {
            log::warn!("audit trail: its head could not be written: {error}");
        }
    }

    /// Checks that the file is still the one that its name leads to, and sets room aside for an operation.
    fn prepare(&mut self) -> Result<(), TrailError> {
        self.clean()?;
        let failed = |error: io::Error| TrailError::io("look at", &self.path, &error);
        let own = self.file.metadata().map_err(failed)?;
        let named = std::fs::symlink_metadata(&self.path).map_err(failed)?;
        if (own.dev(), own.ino()) != (named.dev(), named.ino()) {
            let problem =
                "it was replaced while the agent was writing it; restart the agent".to_owned();
            return Err(TrailError::Damaged {
                path: self.path.clone(),
                problem,
            });
        }
        if self.length + RESERVE_LOW <= self.reserved {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.length, RESERVE) {
            Ok(()) => {
                self.reserved = self.length + RESERVE;
                Ok(())
            }
            // A file system that cannot promise room is no reason to refuse.
            Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(TrailError::io(
                "set room aside for",
                &self.path,
                &error.into(),
            )),
        }
    }

    /// Goes on in a new file, which begins with where the chain and the ledger stand.
    fn rotate(&mut self) -> Result<(), TrailError> {
        let directory = &self.options.state_directory;
        let ended = files::ended_name(self.chain.head.seq);
        let (line, receipt) = continuation(&self.options, &self.chain, &ended)?;
        let fresh = directory.join(format!("{}.next", files::TRAIL));
        let file = files::open_private(
            &fresh,
            FileOptions::new()
                .create(true)
                .truncate(true)
                .append(false)
                .write(true),
        )?;
        let written = (&file).write_all(&line).and_then(|()| file.sync_all());
        written.map_err(|error| TrailError::io("write", &fresh, &error))?;
        let moved = std::fs::rename(&self.path, directory.join(&ended))
            .and_then(|()| std::fs::rename(&fresh, &self.path));
        moved.map_err(|error| TrailError::io("rename", &self.path, &error))?;
        files::sync_directory(directory)?;
        self.file = files::open_private(&self.path, FileOptions::new().append(true))?;
        self.length = line.len() as u64;
        self.reserved = 0;
        self.chain.head = receipt;
        self.shared.publish_head(&self.chain.head);
        Ok(())
    }
}

/// The first line of a file that follows `ended`, newline included.
pub(super) fn continuation(
    options: &OpenOptions,
    chain: &Chain,
    ended: &str,
) -> Result<(Vec<u8>, Receipt), TrailError> {
    let event = Event::TrailContinued(TrailContinued {
        environment: options.environment.clone(),
        after_file: ended.to_owned(),
        after_seq: chain.head.seq,
        ledger: write_ledger(&options.state_directory, chain)?,
        unfinished: chain.unfinished.clone(),
    });
    let at = super::trail::now();
    let record = Record {
        seq: chain.head.seq + 1,
        at: &at,
        agent_version: &options.agent_version,
        prev: &chain.head.hash,
        event: &event,
    };
    let mut line = to_json(&record).map_err(|error| TrailError::Damaged {
        path: options.state_directory.join(files::TRAIL),
        problem: error.to_string(),
    })?;
    let receipt = Receipt {
        seq: chain.head.seq + 1,
        hash: hash_of_line(&line),
    };
    line.push(b'\n');
    Ok((line, receipt))
}

/// Records that begin something, or that anybody can cause: they must not use up the room of an outcome.
fn begins(event: &Event) -> bool {
    matches!(
        event,
        Event::OperationStarted(_) | Event::Rejected(_) | Event::RejectionsSuppressed(_)
    )
}
