//! The ledger of immutable tags: under which identity each tag first ran.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::TrailError;
use super::hash::sha256;
use super::{files, regular};

/// Some hundred thousand tags; what is larger was not written by an agent.
const LARGEST: u64 = 64 * 1024 * 1024;

/// To which identity a tag is bound: the first that was deployed under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Digest of the manifest in the registry, where it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Id of the image in the engine.
    pub image_id: String,
    /// When, RFC 3339.
    pub first_ran_at: String,
    /// The tag's last run; none where an older agent wrote the ledger and it has not run since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// By which operation.
    pub operation: String,
}

/// When a tag ran last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// RFC 3339.
    pub at: String,
    /// Sequence number of the record, which keeps its order when the host's clock jumps.
    pub seq: u64,
    /// What ran then, where it is another image than the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<RanImage>,
}

/// What a tag stood for when it ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanImage {
    /// Digest of the manifest in the registry, where it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Id of the image in the engine.
    pub image_id: String,
}

/// A file that holds the whole ledger as it stood when the trail went on in a new file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct LedgerReference {
    /// Name, in the state directory.
    pub file: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// How many tags it holds.
    pub tags: u64,
}

/// All tags that ever ran, by `repository:tag`.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<String, LedgerEntry>);

/// A tag as a ledger file holds it.
#[derive(Serialize, Deserialize)]
struct Row {
    reference: String,
    #[serde(flatten)]
    entry: LedgerEntry,
}

impl LedgerEntry {
    /// Whether an image with this id and these digests is one that ran under the tag, the first time or the last. Another
    /// may have the name by now: whoever pulls a tag that was moved moves it here too, also where the deploy is refused.
    #[must_use]
    pub fn ran(&self, image_id: &str, digests: &[String]) -> bool {
        let is = |id: &str, digest: Option<&String>| {
            id == image_id || digest.is_some_and(|digest| digests.contains(digest))
        };
        let last = self.last_run.as_ref().and_then(|run| run.image.as_ref());
        is(&self.image_id, self.digest.as_ref())
            || last.is_some_and(|last| is(&last.image_id, last.digest.as_ref()))
    }

    /// When it last ran, as far as the trail knows.
    #[must_use]
    pub fn last_ran_at(&self) -> &str {
        self.last_run
            .as_ref()
            .map_or(&self.first_ran_at, |run| &run.at)
    }

    /// What tells earlier last runs from later ones.
    #[must_use]
    pub fn last_ran_order(&self) -> (u64, &str) {
        let seq = self.last_run.as_ref().map_or(0, |run| run.seq);
        (seq, self.last_ran_at())
    }
}

impl Ledger {
    pub(super) fn get(&self, reference: &str) -> Option<&LedgerEntry> {
        self.0.get(reference)
    }

    /// Whether `operation` bound a tag first.
    pub(super) fn names_operation(&self, operation: &str) -> bool {
        self.0.values().any(|entry| entry.operation == operation)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes in that a tag ran at this time, for which `entry` stands if it had not run before. The first identity of a
    /// tag stays.
    pub(super) fn learn(&mut self, reference: &str, run: LastRun, entry: LedgerEntry) {
        let known = match self.0.get_mut(reference) {
            Some(known) => known,
            None => self.0.entry(reference.to_owned()).or_insert(entry),
        };
        let first = RanImage {
            digest: known.digest.clone(),
            image_id: known.image_id.clone(),
        };
        known.last_run = Some(LastRun {
            image: run.image.filter(|image| *image != first),
            ..run
        });
    }

    /// Writes the ledger to `directory/name`.
    pub(super) fn save(
        &self,
        directory: &Path,
        name: String,
    ) -> Result<LedgerReference, TrailError> {
        let rows: Vec<Row> = self
            .0
            .iter()
            .map(|(reference, entry)| Row {
                reference: reference.clone(),
                entry: entry.clone(),
            })
            .collect();
        let bytes = super::bounds::to_json(&rows).map_err(|error| TrailError::Damaged {
            path: directory.join(&name),
            problem: error.to_string(),
        })?;
        files::replace(directory, &name, &bytes)?;
        Ok(LedgerReference {
            file: name,
            sha256: sha256(&bytes),
            tags: rows.len() as u64,
        })
    }

    /// Reads the ledger that a `trail_continued` record refers to.
    ///
    /// # Errors
    /// Says what is wrong with it, in words for a person.
    pub(super) fn load(directory: &Path, reference: &LedgerReference) -> Result<Self, String> {
        let bytes = checked(directory, reference)?;
        let rows: Vec<Row> = serde_json::from_slice(&bytes)
            .map_err(|error| format!("{}: {error}", reference.file))?;
        Ok(Self(
            rows.into_iter()
                .map(|row| (row.reference, row.entry))
                .collect(),
        ))
    }
}

/// The bytes of a ledger file, if they are the ones that were written.
///
/// # Errors
/// Says what is wrong with it, in words for a person.
pub(super) fn checked(directory: &Path, reference: &LedgerReference) -> Result<Vec<u8>, String> {
    let name = &reference.file;
    if name.contains('/') {
        return Err(format!("`{name}` is not the name of a ledger file"));
    }
    let bytes = regular::read_regular(&directory.join(name), LARGEST)
        .map_err(|error| format!("{name}: {error}"))?;
    if sha256(&bytes) != reference.sha256 {
        return Err(format!("{name}: not the ledger that the trail refers to"));
    }
    Ok(bytes)
}
