//! How far the trail has come: shared with whoever asks, and in the head file, so that a tail that was cut off shows.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::anchor::Anchor;
use super::error::TrailError;
use super::layout::HEAD;
use super::{files, regular};

/// A sequence number and a hash are shorter.
const LONGEST: u64 = 256;

/// What the head file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    /// There is none.
    Missing,
    /// It does not hold `SEQ:HASH`.
    Unreadable(String),
    /// This record was durable.
    At(Anchor),
}

impl Head {
    /// Reads the head file of `directory`, also of one that belongs to somebody else.
    pub(super) fn read(directory: &Path) -> Self {
        let bytes = match regular::read_regular(&directory.join(HEAD), LONGEST) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::Missing,
            Err(error) => return Self::Unreadable(error.to_string()),
        };
        let text = String::from_utf8_lossy(&bytes);
        match text.trim_end_matches('\n').parse() {
            Ok(anchor) => Self::At(anchor),
            Err(_) => Self::Unreadable("it does not hold SEQ:HASH".to_owned()),
        }
    }

    /// Notes that `newest` is durable.
    pub(super) fn write(directory: &Path, newest: &Anchor) -> Result<(), TrailError> {
        files::replace(directory, HEAD, format!("{newest}\n").as_bytes())
    }
}

/// The newest durable record, shared with whoever asks.
#[derive(Debug, Clone)]
pub(super) struct SharedHead(Arc<Mutex<Anchor>>);

impl Default for SharedHead {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Anchor::before_the_first())))
    }
}

impl SharedHead {
    pub(super) fn get(&self) -> Anchor {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set(&self, head: Anchor) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = head;
    }
}
