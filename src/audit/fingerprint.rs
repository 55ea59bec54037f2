//! Keyed fingerprints: two sets of values can be told apart without keeping either.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aws_lc_rs::{hmac, rand};

use super::error::TrailError;
use super::event::Fingerprint;
use super::files;
use super::hash::hex;
use super::layout::KEY;
use crate::domain::shown_name;

/// As long as the output of the hash.
const KEY_BYTES: usize = 32;
/// Whatever is longer holds no key either.
const LONGEST_KEY_FILE: u64 = 4096;

/// The fingerprinter of a state directory, which a full disk may keep from being there at the start.
pub struct Fingerprints {
    state_directory: PathBuf,
    opened: OnceLock<Fingerprinter>,
}

impl Fingerprints {
    /// Of this state directory. Reads or makes the key at once, if it can be had.
    ///
    /// # Errors
    /// As [`Fingerprinter::open`], but for a disk without room.
    pub fn open(state_directory: &Path) -> Result<Self, TrailError> {
        let fingerprints = Self {
            state_directory: state_directory.to_owned(),
            opened: OnceLock::new(),
        };
        match fingerprints.get() {
            Err(error) if !error.is_no_room() => Err(error),
            _ => Ok(fingerprints),
        }
    }

    /// The fingerprinter. Reads a small file unless that has been done.
    ///
    /// # Errors
    /// As [`Fingerprinter::open`].
    pub fn get(&self) -> Result<&Fingerprinter, TrailError> {
        match self.opened.get() {
            Some(opened) => Ok(opened),
            None => {
                let opened = Fingerprinter::open(&self.state_directory)?;
                Ok(self.opened.get_or_init(|| opened))
            }
        }
    }
}

/// Makes fingerprints under the key of one state directory.
#[derive(Clone)]
pub struct Fingerprinter {
    key: hmac::Key,
}

impl Fingerprinter {
    /// Reads the key of `state_directory`, making one if there is none.
    ///
    /// # Errors
    /// The key file cannot be read or made, is open to others, or does not hold a key.
    pub fn open(state_directory: &Path) -> Result<Self, TrailError> {
        if let Some(found) = Self::of_key_in(state_directory)? {
            return Ok(found);
        }
        let mut fresh = vec![0; KEY_BYTES];
        rand::fill(&mut fresh)
            .map_err(|_| damaged(state_directory, "the system gave no random bytes"))?;
        files::replace(state_directory, KEY, &fresh)?;
        Ok(Self::with(&fresh))
    }

    /// Reads the key of `state_directory`; none where there is none yet.
    ///
    /// # Errors
    /// The key file cannot be read, is open to others, or does not hold a key.
    pub(super) fn of_key_in(state_directory: &Path) -> Result<Option<Self>, TrailError> {
        let bytes = files::read_own(&state_directory.join(KEY), LONGEST_KEY_FILE)?;
        match bytes {
            None => Ok(None),
            Some(bytes) if bytes.len() == KEY_BYTES => Ok(Some(Self::with(&bytes))),
            Some(_) => Err(damaged(state_directory, "does not hold a key of 32 bytes")),
        }
    }

    fn with(bytes: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, bytes),
        }
    }

    /// The fingerprint of `pairs` of name and value, in whatever order they come.
    pub fn of<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Fingerprint {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut seal = hmac::Context::with_key(&self.key);
        // With its length before it, no text can pass for the end of another.
        for text in pairs.iter().flat_map(|(name, value)| [*name, *value]) {
            seal.update(&(text.len() as u64).to_be_bytes());
            seal.update(text.as_bytes());
        }
        let mut names: Vec<String> = pairs
            .iter()
            .map(|(name, _)| shown_name(name).to_owned())
            .collect();
        names.dedup();
        Fingerprint {
            fingerprint: hex(seal.sign().as_ref()),
            names,
        }
    }
}

fn damaged(state_directory: &Path, problem: &str) -> TrailError {
    TrailError::Damaged {
        path: state_directory.join(KEY),
        problem: problem.to_owned(),
    }
}
