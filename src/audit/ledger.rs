//! The ledger of immutable tags: under which identity each tag first ran.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::TrailError;
use super::event::LedgerReference;
use super::files;
use super::record::{Line, owned, sha256};
use super::trail::LedgerEntry;

/// All tags that ever ran, by `repository:tag`.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<String, LedgerEntry>);

/// A tag as a ledger file holds it.
#[derive(Serialize, Deserialize)]
struct Row {
    reference: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    image_id: String,
    first_ran_at: String,
    operation: String,
}

impl Ledger {
    pub(super) fn get(&self, reference: &str) -> Option<&LedgerEntry> {
        self.0.get(reference)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes in a `tag_ran` record. The first identity of a tag stays.
    pub(super) fn learn(&mut self, line: &Line<'_>) {
        let (Some(reference), Some(image_id)) = (&line.reference, &line.image_id) else {
            return;
        };
        if self.0.contains_key(reference.0.as_ref()) {
            return;
        }
        self.0.insert(
            reference.0.clone().into_owned(),
            LedgerEntry {
                digest: owned(line.digest.as_ref()),
                image_id: image_id.0.clone().into_owned(),
                first_ran_at: line.at.clone().into_owned(),
                operation: owned(line.operation.as_ref()).unwrap_or_default(),
            },
        );
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
                digest: entry.digest.clone(),
                image_id: entry.image_id.clone(),
                first_ran_at: entry.first_ran_at.clone(),
                operation: entry.operation.clone(),
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
                .map(|row| {
                    let entry = LedgerEntry {
                        digest: row.digest,
                        image_id: row.image_id,
                        first_ran_at: row.first_ran_at,
                        operation: row.operation,
                    };
                    (row.reference, entry)
                })
                .collect(),
        ))
    }
}

/// The bytes of the ledger file, if they are the ones that were written.
pub(super) fn checked(directory: &Path, reference: &LedgerReference) -> Result<Vec<u8>, String> {
    let name = &reference.file;
    if name.contains('/') {
        return Err(format!("`{name}` is not the name of a ledger file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(directory.join(name))
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|error| format!("{name}: {error}"))?;
    if sha256(&bytes) != reference.sha256 {
        return Err(format!("{name}: not the ledger that the trail refers to"));
    }
    Ok(bytes)
}
