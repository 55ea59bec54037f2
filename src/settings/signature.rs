//! Whether images must be signed, and by whom: `SIGNATURE_POLICY`, `SIGNATURE_KEYS`.
//!
//! As with the access checks, a variable that is set but blank is a problem and not "off".

use std::path::PathBuf;

use super::reader::{Reader, absolute};
use crate::signature::{PinnedKey, SignaturePolicy, SignatureSettings};

const POLICY: &str = "SIGNATURE_POLICY";
const KEYS: &str = "SIGNATURE_KEYS";

/// Reads the policy and, unless it is off, the key files. Blocks. Where the reader has found a problem, keys may be
/// missing from what is returned.
pub(super) fn read(reader: &mut Reader<'_>) -> SignatureSettings {
    let blank = "is set but empty: remove the line, or give it a value";
    for variable in [POLICY, KEYS] {
        if reader
            .raw(variable)
            .is_some_and(|value| value.trim().is_empty())
        {
            reader.problem(variable, blank);
        }
    }
    let policy = reader.or(POLICY, SignaturePolicy::Off, |text| {
        let mut all = SignaturePolicy::ALL.into_iter();
        let found = all.find(|policy| policy.as_str() == text);
        found.ok_or("must be off, warn or enforce")
    });
    let paths = reader.optional(KEYS, key_files).unwrap_or_default();
    if reader.raw(POLICY).is_none() && reader.raw(KEYS).is_some() {
        reader.problem(KEYS, format!("has no meaning without {POLICY}"));
    }
    if policy == SignaturePolicy::Off {
        return SignatureSettings::default();
    }
    if reader.raw(KEYS).is_none() {
        let policy = policy.as_str();
        let message = format!("must name a public key at least, because {POLICY} is {policy}");
        reader.problem(KEYS, message);
    }
    SignatureSettings {
        policy,
        keys: keys(reader, &paths),
    }
}

fn key_files(text: &str) -> Result<Vec<PathBuf>, String> {
    let entries = text.split(',').map(str::trim).enumerate();
    entries
        .map(|(at, entry)| absolute(entry).map_err(|why| format!("entry {} {why}", at + 1)))
        .collect()
}

fn keys(reader: &mut Reader<'_>, paths: &[PathBuf]) -> Vec<PinnedKey> {
    let mut keys: Vec<PinnedKey> = Vec::new();
    for path in paths {
        match PinnedKey::read(path) {
            Ok(found) => keys.extend(found),
            Err(why) => reader.problem(KEYS, format!("{} {why}", path.display())),
        }
    }
    keys
}
