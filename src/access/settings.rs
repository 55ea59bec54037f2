//! The settings of the checks: read once, every problem told at once.

use std::time::Duration;

use super::fetch::{KeySource, fetch};
use super::key_set::KeySet;
use super::pinned::{PinnedTokens, Sha256, sha256};

/// A setting and what is wrong with it. The message never repeats the value: a secret pasted into the
/// wrong line must not end up in the journal.
pub type Problem = (&'static str, String);

const CLIENT_ID: &str = "CF_ACCESS_CLIENT_ID";
const SECRET_SHA256: &str = "CF_ACCESS_CLIENT_SECRET_SHA256";
const TEAM_DOMAIN: &str = "CF_ACCESS_TEAM_DOMAIN";
const AUD: &str = "CF_ACCESS_AUD";
const HEADERS: &str = "CF_ACCESS_HEADERS";
const CERTS_URL: &str = "CF_ACCESS_CERTS_URL";

/// The longest name a DNS host can have.
const DOMAIN_LIMIT: usize = 253;

/// Which checks are on. `Debug` shows no hash.
#[derive(Debug, Clone)]
pub struct AccessSettings {
    pub(crate) pinned: Option<PinnedTokens>,
    pub(crate) assertion: Option<AssertionSettings>,
    pub(crate) headers_required: bool,
}

/// What an assertion must say, and where its keys come from.
#[derive(Debug, Clone)]
pub(crate) struct AssertionSettings {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: KeySource,
}

impl AccessSettings {
    /// Reads `CF_ACCESS_…` through `lookup`. A variable that is set but blank is a problem and not
    /// "off": an empty line must not silently disarm a check.
    ///
    /// # Errors
    /// All problems at once, each with its variable.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader {
            lookup,
            problems: Vec::new(),
        };
        let pinned = reader.pinned();
        let assertion = reader.assertion();
        let headers_required = reader.headers_required();
        match reader.problems {
            problems if problems.is_empty() => Ok(Self {
                pinned,
                assertion,
                headers_required,
            }),
            problems => Err(problems),
        }
    }

    /// Nothing but the presence of the two headers is checked, so any local process can pass.
    pub fn presence_only(&self) -> bool {
        self.pinned.is_none() && self.assertion.is_none()
    }

    /// What to add to the settings to mend [`AccessSettings::presence_only`], for the start log.
    pub fn mending_lines() -> &'static str {
        "CF_ACCESS_CLIENT_ID=<client id of the service token> and \
         CF_ACCESS_CLIENT_SECRET_SHA256=<what `deploy-agent hash-secret` prints for its secret>"
    }

    /// One line for the start log: which checks are on.
    pub fn describe(&self) -> String {
        let mut checks = Vec::new();
        checks.push(match self.headers_required {
            true => "the two service token headers must be present".to_owned(),
            false => "the two service token headers are optional".to_owned(),
        });
        if let Some(tokens) = &self.pinned {
            let ids: Vec<&str> = tokens.ids().collect();
            checks.push(format!(
                "their values must be a pinned token ({})",
                ids.join(", ")
            ));
        }
        if let Some(assertion) = &self.assertion {
            let audiences = assertion.audiences.join(", ");
            checks.push(format!(
                "the assertion must be signed for {} (audience {audiences}; keys from {})",
                assertion.issuer, assertion.keys
            ));
        }
        checks.join("; ")
    }
}

impl AccessSettings {
    /// Fetches the key set of the assertion once, as `serve` will; says where from, or nothing if none is needed.
    ///
    /// It fails if the set cannot be fetched within `deadline`, or holds no key that could verify an assertion.
    /// Cancel-safe.
    pub async fn try_keys(&self, deadline: Duration) -> Option<Result<String, String>> {
        let source = &self.assertion.as_ref()?.keys;
        let fetched = match fetch(source, deadline).await {
            Ok(body) => KeySet::parse(&body).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        Some(match fetched {
            Ok(_) => Ok(source.to_string()),
            Err(error) => Err(format!("{source}: {error}")),
        })
    }

    /// What tells two sets of checks apart, the hashes of pinned secrets among it: for a keyed fingerprint only.
    #[must_use]
    pub fn fingerprinted(&self) -> String {
        let Self {
            pinned,
            assertion,
            headers_required,
        } = self;
        let pinned = pinned.as_ref().map(PinnedTokens::fingerprinted);
        format!("{pinned:?} {assertion:?} {headers_required}")
    }
}

/// Looks variables up and collects what is wrong with them.
struct Reader<L> {
    lookup: L,
    problems: Vec<Problem>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn problem(&mut self, variable: &'static str, message: impl Into<String>) {
        self.problems.push((variable, message.into()));
    }

    /// The trimmed value; `None` when unset, or when blank, which is a problem.
    fn value(&mut self, variable: &'static str) -> Option<String> {
        let value = (self.lookup)(variable)?;
        let value = value.trim();
        if value.is_empty() {
            self.problem(
                variable,
                "is set but empty: remove the line, or give it a value",
            );
            return None;
        }
        Some(value.to_owned())
    }

    fn list(&mut self, variable: &'static str) -> Option<Vec<String>> {
        let value = self.value(variable)?;
        let entries: Vec<String> = value
            .split(',')
            .map(|entry| entry.trim().to_owned())
            .collect();
        let bad = entries
            .iter()
            .position(|e| e.is_empty() || !e.bytes().all(|b| b.is_ascii_graphic()));
        if let Some(index) = bad {
            let message = "is empty or holds a blank or a character outside visible ASCII";
            self.problem(variable, format!("entry {} {message}", index + 1));
            return None;
        }
        Some(entries)
    }

    fn is_set(&self, variable: &str) -> bool {
        (self.lookup)(variable).is_some()
    }

    /// Tells when only one of two variables that belong together is set.
    fn both_or_none(&mut self, one: &'static str, other: &'static str) {
        for (missing, present) in [(one, other), (other, one)] {
            if !self.is_set(missing) && self.is_set(present) {
                self.problem(missing, format!("must be set too, because {present} is"));
            }
        }
    }

    fn pinned(&mut self) -> Option<PinnedTokens> {
        self.both_or_none(CLIENT_ID, SECRET_SHA256);
        let ids = self.list(CLIENT_ID);
        let hashes = self.list(SECRET_SHA256);
        let (ids, hashes) = (ids?, hashes?);
        if ids.len() != hashes.len() {
            let message = format!(
                "has {} entries and {CLIENT_ID} has {}: they belong together pair by pair",
                hashes.len(),
                ids.len()
            );
            self.problem(SECRET_SHA256, message);
        }
        let mut parsed = Vec::with_capacity(hashes.len());
        for (index, hash) in hashes.iter().enumerate() {
            match parse_hash(hash) {
                Ok(hash) => parsed.push(hash),
                Err(why) => self.problem(SECRET_SHA256, format!("entry {} {why}", index + 1)),
            }
        }
        (parsed.len() == ids.len()).then(|| PinnedTokens::new(ids.into_iter().zip(parsed)))
    }

    fn assertion(&mut self) -> Option<AssertionSettings> {
        self.both_or_none(TEAM_DOMAIN, AUD);
        let team = self.value(TEAM_DOMAIN).and_then(|value| {
            let team = parse_team_domain(&value);
            if team.is_none() {
                self.problem(
                    TEAM_DOMAIN,
                    "must be a host name such as example.cloudflareaccess.com",
                );
            }
            team
        });
        let audiences = self.list(AUD);
        let keys = self.key_source();
        let team = team?;
        let default = || KeySource::Url(format!("https://{team}/cdn-cgi/access/certs"));
        Some(AssertionSettings {
            audiences: audiences?,
            keys: keys.unwrap_or_else(default),
            issuer: format!("https://{team}"),
        })
    }

    fn key_source(&mut self) -> Option<KeySource> {
        let value = self.value(CERTS_URL)?;
        if !self.is_set(TEAM_DOMAIN) {
            self.problem(
                CERTS_URL,
                format!("has no meaning without {TEAM_DOMAIN} and {AUD}"),
            );
        }
        let source = KeySource::parse(&value);
        if source.is_none() {
            let message = "must start with https://, http://127.0.0.1 or file:/ and hold no blanks or user name";
            self.problem(CERTS_URL, message);
        }
        source
    }

    fn headers_required(&mut self) -> bool {
        match self.value(HEADERS).as_deref() {
            None | Some("required") => true,
            Some("optional") => {
                if !(self.is_set(TEAM_DOMAIN) && self.is_set(AUD)) {
                    let message = format!("may be optional only with {TEAM_DOMAIN} and {AUD}");
                    self.problem(HEADERS, message);
                }
                false
            }
            Some(_) => {
                self.problem(HEADERS, "must be required or optional");
                true
            }
        }
    }
}

fn parse_hash(hex: &str) -> Result<Sha256, &'static str> {
    const WHY: &str = "is not 64 hexadecimal digits; `deploy-agent hash-secret` makes them";
    let digits: Vec<u8> = hex
        .chars()
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect::<Option<_>>()
        .ok_or(WHY)?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |n, d| n << 4 | d))
        .collect();
    let hash = Sha256::try_from(bytes)
        .ok()
        .filter(|_| hex.len() == 64)
        .ok_or(WHY)?;
    match hash == sha256(b"") {
        true => Err("is the hash of nothing: an empty secret was hashed"),
        false => Ok(hash),
    }
}

/// The bare host name, in lower case as the issuer has it.
fn parse_team_domain(value: &str) -> Option<String> {
    let host = value.strip_prefix("https://").unwrap_or(value);
    let host = host.strip_suffix('/').unwrap_or(host).to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let valid = host.len() <= DOMAIN_LIMIT && host.contains('.') && host.split('.').all(label);
    valid.then_some(host)
}
