//! The assertion: Cloudflare's signed statement that a service token passed its policy.
//!
//! The library verifies algorithm, signature, issuer and audience. Around it stand a length bound, a
//! strict reading of the token's header, strict types for its claims, and the times, which are compared
//! here so that tests can choose the clock. Nothing of a token is ever put into an error.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::AssertionFault;
use super::key_set::{KeySet, plausible_key_id};
use super::settings::AssertionSettings;

/// In bytes; real ones have about 1 KiB. A longer one fails before a byte of it is decoded.
const LENGTH_LIMIT: usize = 8 * 1024;

/// How far the clocks of Cloudflare and of this host may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

/// Header members by which a token brings its own key, points to one, or demands an extension. The key
/// set is the only source of keys, so whoever sends these is trying something.
const FOREIGN: [&str; 8] = ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "zip"];

/// Verifies assertions; see the module.
#[derive(Debug)]
pub(crate) struct Verifier {
    validation: Validation,
}

/// What is read of the claims. `iss` is one string here, where the library would also take a list.
#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "iss")]
    _issuer: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    common_name: Option<String>,
}

impl Verifier {
    pub(crate) fn new(settings: &AssertionSettings) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&settings.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        // The times are compared below, against the clock that was handed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { validation }
    }

    /// The token's `common_name`: the client id of the service token it was issued for.
    pub(crate) fn verify(
        &self,
        token: &[u8],
        keys: &KeySet,
        now: SystemTime,
    ) -> Result<String, AssertionFault> {
        let key_id = key_id(token)?;
        let key = keys.get(&key_id).ok_or(AssertionFault::UnknownKey)?;
        let token = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|error| fault(&error))?;
        check_times(&token.claims, now)?;
        token
            .claims
            .common_name
            .filter(|name| !name.is_empty())
            .ok_or(AssertionFault::NotAServiceToken)
    }
}

/// The key id of a token whose header is beyond doubt.
fn key_id(token: &[u8]) -> Result<String, AssertionFault> {
    if token.len() > LENGTH_LIMIT {
        return Err(AssertionFault::TooLong);
    }
    let header = token.split(|byte| *byte == b'.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD
        .decode(header)
        .map_err(|_| AssertionFault::Malformed)?;
    let header: Map<String, Value> =
        serde_json::from_slice(&header).map_err(|_| AssertionFault::Malformed)?;
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err(AssertionFault::Algorithm);
    }
    if FOREIGN.iter().any(|member| header.contains_key(*member)) {
        return Err(AssertionFault::ForeignKey);
    }
    let id = header
        .get("kid")
        .and_then(Value::as_str)
        .ok_or(AssertionFault::KeyId)?;
    plausible_key_id(id)
        .then(|| id.to_owned())
        .ok_or(AssertionFault::KeyId)
}

fn check_times(claims: &Claims, now: SystemTime) -> Result<(), AssertionFault> {
    let now = now
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    let leeway = LEEWAY.as_secs_f64();
    if claims.exp + leeway <= now {
        return Err(AssertionFault::Expired);
    }
    let from_the_future = |time: &Option<f64>| time.is_some_and(|time| time > now + leeway);
    if from_the_future(&claims.nbf) || from_the_future(&claims.iat) {
        return Err(AssertionFault::NotYetValid);
    }
    Ok(())
}

fn fault(error: &jsonwebtoken::errors::Error) -> AssertionFault {
    match error.kind() {
        ErrorKind::InvalidSignature => AssertionFault::Signature,
        ErrorKind::InvalidAlgorithm => AssertionFault::Algorithm,
        ErrorKind::InvalidIssuer => AssertionFault::Issuer,
        ErrorKind::InvalidAudience => AssertionFault::Audience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => AssertionFault::Audience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => AssertionFault::Issuer,
        _ => AssertionFault::Malformed,
    }
}
