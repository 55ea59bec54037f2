//! What the checks are set to, and what is parsed of one value. The variables are read with all other settings.

use std::time::Duration;

use super::fetch::{KeySource, fetch};
use super::key_set::KeySet;
use super::pinned::{PinnedTokens, Sha256, sha256};

/// In characters.
const SHOWN_OF_AUDIENCE: usize = 8;
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

impl AssertionSettings {
    /// For the issuer of a team, whose own key set is taken unless another source is given.
    pub(crate) fn new(team: &str, audiences: Vec<String>, keys: Option<KeySource>) -> Self {
        let default = || KeySource::Url(format!("https://{team}/cdn-cgi/access/certs"));
        Self {
            issuer: format!("https://{team}"),
            audiences,
            keys: keys.unwrap_or_else(default),
        }
    }
}

impl AccessSettings {
    /// Whether any token passes: the two headers must be there, and whatever they say is accepted, so that any local
    /// process can deploy.
    #[must_use]
    pub fn accepts_any_token(&self) -> bool {
        self.pinned.is_none() && self.assertion.is_none()
    }

    /// What to add to the settings when [any token is accepted](Self::accepts_any_token), for the start log.
    #[must_use]
    pub fn missing_pin_hint() -> &'static str {
        "CF_ACCESS_CLIENT_ID=<client id of the service token> and \
         CF_ACCESS_CLIENT_SECRET_SHA256=<what `deploy-agent hash-secret` prints for its secret>"
    }

    /// One line for the start log: which checks are on. Holds no hash.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self {
            pinned,
            assertion,
            headers_required,
        } = self;
        let mut checks = Vec::new();
        checks.push(match headers_required {
            true => "the two service token headers must be present".to_owned(),
            false => "the two service token headers are optional".to_owned(),
        });
        if let Some(tokens) = pinned {
            let ids: Vec<&str> = tokens.ids().collect();
            checks.push(format!(
                "their values must be a pinned token ({})",
                ids.join(", ")
            ));
        }
        if let Some(assertion) = assertion {
            let AssertionSettings {
                issuer,
                audiences,
                keys,
            } = assertion;
            let audiences: Vec<_> = audiences.iter().map(|tag| shortened(tag)).collect();
            let audiences = audiences.join(", ");
            checks.push(format!(
                "the assertion must be signed for {issuer} (audience {audiences}; keys from {keys})"
            ));
        }
        checks.join("; ")
    }

    /// Fetches the key set of the assertion once, as `serve` will; says where from, or nothing if none is needed.
    ///
    /// It fails if the set cannot be fetched within `deadline`, or holds no key that could verify an assertion.
    /// Cancel-safe.
    pub async fn try_keys(&self, deadline: Duration) -> Option<Result<String, String>> {
        let source = &self.assertion.as_ref()?.keys;
        let fetched = match fetch(source, deadline).await {
            Ok(body) => KeySet::parse(&body).map_err(|error| error.to_string()),
            Err(error) => Err(error.explained(source)),
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
        let keys = assertion.as_ref().map(|assertion| assertion.keys.whole());
        format!("{pinned:?} {assertion:?} {keys:?} {headers_required}")
    }
}

/// The beginning is enough to tell audiences apart; a secret has the same form, and may stand there by mistake.
fn shortened(audience: &str) -> String {
    match audience.get(..SHOWN_OF_AUDIENCE) {
        Some(begin) if audience.len() > 2 * SHOWN_OF_AUDIENCE => format!("{begin}…"),
        _ => audience.to_owned(),
    }
}

/// The SHA-256 of a secret, in hexadecimal digits. The error says why it is none, without the value.
pub(crate) fn parse_hash(hex: &str) -> Result<Sha256, &'static str> {
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
pub(crate) fn parse_team_domain(value: &str) -> Option<String> {
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
