//! The settings of the access checks, `CF_ACCESS_…`.
//!
//! A variable that is set but blank is a problem and not "off": an empty line must not silently disarm a check. No
//! message repeats a value: a secret pasted into the wrong line must not end up in the journal.

use super::reader::Reader;
use crate::access::{
    AccessSettings, AssertionSettings, KeySource, PinnedTokens, is_token_secret, parse_hash,
    parse_team_domain,
};

const CLIENT_ID: &str = "CF_ACCESS_CLIENT_ID";
const SECRET_SHA256: &str = "CF_ACCESS_CLIENT_SECRET_SHA256";
const TEAM_DOMAIN: &str = "CF_ACCESS_TEAM_DOMAIN";
const AUD: &str = "CF_ACCESS_AUD";
const HEADERS: &str = "CF_ACCESS_HEADERS";
const CERTS_URL: &str = "CF_ACCESS_CERTS_URL";

/// Reads which checks are on. Where the reader has found a problem, a check may be missing from what is returned.
pub(super) fn read(reader: &mut Reader<'_>) -> AccessSettings {
    AccessSettings {
        pinned: pinned(reader),
        assertion: assertion(reader),
        headers_required: headers_required(reader),
    }
}

/// The trimmed value; `None` when unset, or when blank, which is a problem.
fn value(reader: &mut Reader<'_>, variable: &str) -> Option<String> {
    let value = reader.raw(variable)?;
    let value = value.trim();
    if value.is_empty() {
        let message = "is set but empty: remove the line, or give it a value";
        reader.problem(variable, message);
        return None;
    }
    Some(value.to_owned())
}

fn list(reader: &mut Reader<'_>, variable: &str) -> Option<Vec<String>> {
    let value = value(reader, variable)?;
    let entries: Vec<String> = value
        .split(',')
        .map(|entry| entry.trim().to_owned())
        .collect();
    let bad = entries
        .iter()
        .position(|e| e.is_empty() || !e.bytes().all(|b| b.is_ascii_graphic()));
    if let Some(index) = bad {
        let message = "is empty or holds a blank or a character outside visible ASCII";
        reader.problem(variable, format!("entry {} {message}", index + 1));
        return None;
    }
    Some(entries)
}

/// Tells when only one of two variables that belong together is set.
fn both_or_none(reader: &mut Reader<'_>, one: &str, other: &str) {
    for (missing, present) in [(one, other), (other, one)] {
        if reader.raw(missing).is_none() && reader.raw(present).is_some() {
            reader.problem(missing, format!("must be set too, because {present} is"));
        }
    }
}

/// Ids and audiences are shown and recorded, so that what may be a secret in their place is none of them.
fn public_list(
    reader: &mut Reader<'_>,
    variable: &str,
    wrong: fn(&str) -> bool,
) -> Option<Vec<String>> {
    let entries = list(reader, variable)?;
    let of_ids = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let odd = |entry: &String| !entry.bytes().all(of_ids) || wrong(entry);
    if let Some(index) = entries.iter().position(odd) {
        let message = "is not of letters, digits, dots and dashes, or looks like a token's secret";
        reader.problem(variable, format!("entry {} {message}", index + 1));
        return None;
    }
    Some(entries)
}

fn pinned(reader: &mut Reader<'_>) -> Option<PinnedTokens> {
    both_or_none(reader, CLIENT_ID, SECRET_SHA256);
    let ids = public_list(reader, CLIENT_ID, is_token_secret);
    let hashes = list(reader, SECRET_SHA256);
    let (ids, hashes) = (ids?, hashes?);
    if ids.len() != hashes.len() {
        let message = format!(
            "has {} entries and {CLIENT_ID} has {}: they belong together pair by pair",
            hashes.len(),
            ids.len()
        );
        reader.problem(SECRET_SHA256, message);
    }
    let mut parsed = Vec::with_capacity(hashes.len());
    for (index, hash) in hashes.iter().enumerate() {
        match parse_hash(hash) {
            Ok(hash) => parsed.push(hash),
            Err(why) => reader.problem(SECRET_SHA256, format!("entry {} {why}", index + 1)),
        }
    }
    (parsed.len() == ids.len()).then(|| PinnedTokens::new(ids.into_iter().zip(parsed)))
}

fn assertion(reader: &mut Reader<'_>) -> Option<AssertionSettings> {
    both_or_none(reader, TEAM_DOMAIN, AUD);
    let team = value(reader, TEAM_DOMAIN).and_then(|value| {
        let team = parse_team_domain(&value);
        if team.is_none() {
            let message = "must be a host name such as example.cloudflareaccess.com";
            reader.problem(TEAM_DOMAIN, message);
        }
        team
    });
    let audiences = public_list(reader, AUD, |_| false);
    let keys = key_source(reader);
    Some(AssertionSettings::new(&team?, audiences?, keys))
}

fn key_source(reader: &mut Reader<'_>) -> Option<KeySource> {
    let value = value(reader, CERTS_URL)?;
    if reader.raw(TEAM_DOMAIN).is_none() {
        let message = format!("has no meaning without {TEAM_DOMAIN} and {AUD}");
        reader.problem(CERTS_URL, message);
    }
    let source = KeySource::parse(&value);
    if source.is_none() {
        let message =
            "must start with https://, http://127.0.0.1 or file:/ and hold no blanks or user name";
        reader.problem(CERTS_URL, message);
    }
    source
}

fn headers_required(reader: &mut Reader<'_>) -> bool {
    match value(reader, HEADERS).as_deref() {
        None | Some("required") => true,
        Some("optional") => {
            if reader.raw(TEAM_DOMAIN).is_none() || reader.raw(AUD).is_none() {
                let message = format!("may be optional only with {TEAM_DOMAIN} and {AUD}");
                reader.problem(HEADERS, message);
            }
            false
        }
        Some(_) => {
            reader.problem(HEADERS, "must be required or optional");
            true
        }
    }
}
