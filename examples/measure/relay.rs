//! Stands between a client and the engine, and notes when each call of a replacement comes and is answered: the time
//! that the client lets pass between two calls, without the engine's own, which varies far more.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The calls with which a running container is replaced, in order.
const CALLS: [&str; 4] = ["stop", "remove", "create", "start"];

/// When a call came, and when its answer went out.
#[derive(Debug, Clone, Copy)]
struct Times {
    came: Instant,
    answered: Option<Instant>,
}

const PIECE: usize = 16 * 1024;

type Seen = Arc<Mutex<HashMap<&'static str, Times>>>;

pub struct Relay {
    pub socket: PathBuf,
    seen: Seen,
}

impl Relay {
    /// Listens on `socket` until the process ends.
    pub fn start(socket: PathBuf) -> Self {
        let listener = UnixListener::bind(&socket).expect("a socket of its own");
        let seen = Seen::default();
        let relay = Self {
            socket,
            seen: Arc::clone(&seen),
        };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || pass(client, &crate::engine::socket(), &seen));
            }
        });
        relay
    }

    /// Milliseconds that passed between an answer and the next call, from the stop to the start, since the last time.
    pub fn between_calls(&self) -> Vec<f64> {
        let seen = std::mem::take(&mut *self.seen.lock().expect("no thread panics with it"));
        let pairs = CALLS.windows(2).map(|pair| {
            let answered = seen[pair[0]].answered.expect("it was answered");
            seen[pair[1]].came.saturating_duration_since(answered)
        });
        pairs.map(|gap| gap.as_secs_f64() * 1e3).collect()
    }
}

/// One connection, however many calls it brings.
fn pass(mut client: UnixStream, engine: &Path, seen: &Seen) {
    let call = Arc::new(Mutex::new(None));
    let note = |bytes: &[u8]| note(bytes, seen, &call);
    let mut first = [0; PIECE];
    let length = client.read(&mut first).unwrap_or_default();
    note(&first[..length]);
    // Only now, so that a new connection does not make the call look late.
    let mut upstream = UnixStream::connect(engine).expect("an engine that answers");
    if length == 0 || upstream.write_all(&first[..length]).is_err() {
        return;
    }
    let answers = {
        let (mut from, mut to) = (half(&upstream), half(&client));
        let (seen, call) = (Arc::clone(seen), Arc::clone(&call));
        std::thread::spawn(move || {
            copy(&mut from, &mut to, |_| {
                let call = call.lock().expect("no thread panics with it");
                if let Some(call) = *call {
                    let mut seen = seen.lock().expect("no thread panics with it");
                    seen.entry(call).and_modify(|times: &mut Times| {
                        times.answered = Some(Instant::now());
                    });
                }
            });
        })
    };
    copy(&mut client, &mut half(&upstream), note);
    // A client that has left; what it waited for ends too.
    upstream.shutdown(std::net::Shutdown::Both).ok();
    answers.join().expect("it only copies");
}

/// Notes the call that these bytes begin, if they do.
fn note(bytes: &[u8], seen: &Seen, call: &Mutex<Option<&'static str>>) {
    let Some(named) = named(bytes) else { return };
    let came = Instant::now();
    *call.lock().expect("no thread panics with it") = named;
    if let Some(named) = named {
        let times = Times {
            came,
            answered: None,
        };
        let mut seen = seen.lock().expect("no thread panics with it");
        seen.insert(named, times);
    }
}

fn half(stream: &UnixStream) -> UnixStream {
    stream.try_clone().expect("a second descriptor")
}

/// Copies until one side has left, showing each piece before it goes on.
fn copy(from: &mut UnixStream, to: &mut UnixStream, mut show: impl FnMut(&[u8])) {
    let mut piece = [0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        show(&piece[..length]);
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    to.shutdown(std::net::Shutdown::Both).ok();
}

/// The call that a head begins: none of those that count, or none at all if it is the rest of a request.
fn named(bytes: &[u8]) -> Option<Option<&'static str>> {
    let head = bytes.split(|byte| *byte == b'\r').next()?;
    let head = std::str::from_utf8(head).ok()?;
    let (method, rest) = head.split_once(' ')?;
    let path = rest.split(['?', ' ']).next()?;
    let last = path.rsplit('/').next()?;
    match (method, last) {
        ("DELETE", _) => Some(Some("remove")),
        ("POST", "create") if path.contains("/containers/") => Some(Some("create")),
        ("POST", "stop") => Some(Some("stop")),
        ("POST", "start") => Some(Some("start")),
        ("GET" | "POST", _) => Some(None),
        _ => None,
    }
}
