//! Keyed fingerprints: two sets of values can be told apart without keeping either.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::hmac;

use super::chain::hex;
use super::error::TrailError;
use super::event::Fingerprint;
use super::files;

const KEY_FILE: &str = "fingerprint.key";
const KEY_LENGTH: usize = 32;

/// Makes fingerprints under the key of one state directory.
#[derive(Clone)]
pub struct Fingerprinter {
    key: Arc<hmac::Key>,
}

impl Fingerprinter {
    /// Reads the key of `state_directory`, making one if there is none.
    ///
    /// # Errors
    /// The key file cannot be read or made, is open to others, or does not hold a key.
    pub fn open(state_directory: &Path) -> Result<Self, TrailError> {
        let path = state_directory.join(KEY_FILE);
        let key = match files::read_bounded(&path)? {
            Some(key) => key,
            None => {
                let mut key = vec![0; KEY_LENGTH];
                if aws_lc_rs::rand::fill(&mut key).is_err() {
                    let problem = "the system gives no random bytes for a key".to_owned();
                    return Err(TrailError::Damaged { path, problem });
                }
                files::write_whole(&path, &key)?;
                key
            }
        };
        if key.len() != KEY_LENGTH {
            let problem = format!("it holds {} bytes, and a key has {KEY_LENGTH}", key.len());
            return Err(TrailError::Damaged { path, problem });
        }
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &key));
        Ok(Self { key })
    }

    /// The fingerprint of `pairs` of name and value, in whatever order they come.
    pub fn of<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Fingerprint {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        // Stable: of a name that comes twice, the order of the values counts.
        pairs.sort_by_key(|(name, _)| *name);
        let mut context = hmac::Context::with_key(&self.key);
        for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
            // With its length in front, so that no two lists run together.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut names: Vec<String> = pairs.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.dedup();
        Fingerprint {
            fingerprint: hex(context.sign().as_ref()),
            names,
        }
    }
}
