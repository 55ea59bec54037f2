//! Request bodies: read within bounds, parsed strictly.

use std::fmt;
use std::time::Duration;

use actix_web::dev::Payload;
use futures_util::StreamExt;
use serde::{Deserialize, Deserializer};

use super::error::ApiError;
use crate::domain::{Environment, blank_secrets, whole_words};

/// In bytes. An image reference and an environment take some 300.
const MAX_BYTES: usize = 16 * 1024;
/// For the whole body: one that drips must not hold a connection for ever.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// The body of POST /v1/deploy. Duplicate and unknown fields are rejected by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployBody {
    /// As it was sent; not yet an image reference.
    pub image: String,
    /// Informational, never acted on.
    #[serde(default, deserialize_with = "environment")]
    pub environment: Option<Environment>,
}

/// What is wrong with a body: one line of bounded length for its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyError(String);

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        Self::Body(error.0)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopBody {}

fn environment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Environment>, D::Error> {
    // Not `Option`: null is no environment.
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map(Some)
        .map_err(|error| serde::de::Error::custom(format!("environment {error}")))
}

/// Reads the whole body, within its bounds of size and time.
pub(super) async fn read(payload: &mut Payload) -> Result<Vec<u8>, ApiError> {
    tokio::time::timeout(TIMEOUT, collect(payload))
        .await
        .unwrap_or(Err(ApiError::BodyTooSlow))
}

async fn collect(payload: &mut Payload) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| {
            ApiError::Body("the request body ended early or is not framed as HTTP asks".into())
        })?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(ApiError::BodyTooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Parses the body of a deploy.
///
/// # Errors
/// It is no JSON object, or a field is unknown, missing, there twice or of the wrong type: by name.
pub fn deploy(bytes: &[u8]) -> Result<DeployBody, BodyError> {
    object(bytes)
}

/// Checks the body of a stop: none, or `{}`.
///
/// # Errors
/// It is something else.
pub fn stop(bytes: &[u8]) -> Result<(), BodyError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(());
    }
    object::<StopBody>(bytes).map(drop)
}

/// Parses a JSON object. serde would also fill a struct from an array, by position.
fn object<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    let parsed = serde_json::from_slice(bytes).map_err(|error| problem(&error))?;
    match bytes.trim_ascii_start().first() {
        Some(b'{') => Ok(parsed),
        _ => Err(BodyError("the request body must be a JSON object".into())),
    }
}

fn problem(error: &serde_json::Error) -> BodyError {
    // serde names fields and types, and quotes values of the wrong type: the caller's own words, which are also recorded.
    let text: String = blank_secrets(whole_words(&error.to_string(), 1024))
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    BodyError(format!(
        "the request body is not what this route takes: {text}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(body: &str) -> String {
        deploy(body.as_bytes()).expect_err("rejected").to_string()
    }

    #[test]
    fn an_image_with_or_without_an_environment_is_taken() {
        assert_eq!(
            deploy(br#"{"image":"a:1"}"#).expect("valid").environment,
            None
        );
        let body = deploy(br#"{"environment":"prod","image":"a:1"}"#).expect("valid");
        assert_eq!(
            (body.image.as_str(), body.environment),
            ("a:1", Some(Environment::Prod))
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(reason(r#"{"image":"a","volumes":[]}"#).contains("`volumes`"));
        assert!(reason(r#"{"image":"a","image":"b"}"#).contains("duplicate field `image`"));
        assert!(reason(r#"{"environment":"dev"}"#).contains("`image`"));
        assert!(
            reason(r#"{"image":"a","environment":"staging"}"#)
                .contains("environment must be dev or prod")
        );
        assert!(deploy(br#"{"image":"a","environment":null}"#).is_err());
        assert!(deploy(br#"{"image":1}"#).is_err());
        assert!(deploy(br#"{"image":"a"} x"#).is_err());
        assert!(deploy(br#"["a"] "#).is_err());
        assert!(deploy(b"").is_err());
    }

    #[test]
    fn a_stop_takes_nothing_or_an_empty_object() {
        for body in [&b""[..], b" \r\n", b"{}", b" { } "] {
            assert!(stop(body).is_ok());
        }
        for body in [&b"{\"image\":\"a\"}"[..], b"null", b"[]", b"0"] {
            assert!(stop(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }
}
