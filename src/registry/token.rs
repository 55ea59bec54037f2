//! The token that a registry's token server gives for the host's credentials: this repository, to pull, and no more.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use serde::Deserialize;

use super::error::RegistryError;
use crate::credentials::RegistryAuth;

/// How the agent calls itself to token servers that ask.
const CLIENT: &str = "dreichor-deploy-agent";

#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// The request for a token: with an identity token by OAuth 2, otherwise by GET, with a password or anonymous.
pub(super) fn request(
    realm: &str,
    service: Option<&str>,
    path: &str,
    auth: Option<&RegistryAuth>,
) -> Result<Request<Full<Bytes>>, RegistryError> {
    let invalid = |_| RegistryError::Broken("the address of its token server");
    let scope = format!("repository:{path}:pull");
    let mut query = format!("scope={}", encoded(&scope));
    if let Some(service) = service {
        query += &format!("&service={}", encoded(service));
    }
    if let Some(RegistryAuth::IdentityToken(token)) = auth {
        let token = encoded(token);
        let form =
            format!("grant_type=refresh_token&refresh_token={token}&client_id={CLIENT}&{query}");
        return Request::builder()
            .method(Method::POST)
            .uri(realm)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form))
            .map_err(invalid);
    }
    let joint = if realm.contains('?') { '&' } else { '?' };
    let mut request = Request::builder().uri(format!("{realm}{joint}{query}"));
    if let Some(basic) = auth.and_then(basic) {
        request = request.header(AUTHORIZATION, basic);
    }
    request.body(Full::default()).map_err(invalid)
}

/// The header for user and password, never shown.
pub(super) fn basic(auth: &RegistryAuth) -> Option<HeaderValue> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    match auth {
        RegistryAuth::Basic { username, password } => {
            let pair = STANDARD.encode(format!("{username}:{password}"));
            secret(&format!("Basic {pair}"))
        }
        RegistryAuth::IdentityToken(_) | RegistryAuth::RegistryToken(_) => None,
    }
}

/// The header for a token, never shown.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    secret(&format!("Bearer {token}"))
}

fn secret(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The token of an answer.
pub(super) fn given(body: &[u8]) -> Result<HeaderValue, RegistryError> {
    let Ok(given) = serde_json::from_slice::<Given>(body) else {
        return Err(none());
    };
    let token = match given.token.as_str() {
        "" => given.access_token.as_str(),
        token => token,
    };
    if token.is_empty() {
        return Err(none());
    }
    bearer(token).ok_or_else(none)
}

/// An answer that holds no token.
pub(super) fn none() -> RegistryError {
    RegistryError::Broken("its token server gave no token")
}

/// The address of a token server, for the question whether it may be asked.
pub(super) fn realm(text: &str) -> Result<Uri, RegistryError> {
    text.parse()
        .map_err(|_| RegistryError::Broken("the address of its token server"))
}

/// Percent-encoded but for what a query may hold as it is.
fn encoded(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            shown.push(char::from(byte));
        } else {
            shown.push_str(&format!("%{byte:02X}"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_this_repository_to_pull() {
        let auth = RegistryAuth::Basic {
            username: "me".into(),
            password: "a:b".into(),
        };
        let realm = "https://ghcr.io/token?x=1";
        let asked = request(realm, Some("a service&b"), "o/n", Some(&auth)).expect("a request");
        assert_eq!(
            asked.uri().to_string(),
            "https://ghcr.io/token?x=1&scope=repository:o/n:pull&service=a%20service%26b"
        );
        assert_eq!(asked.headers()[AUTHORIZATION], "Basic bWU6YTpi");
        assert!(!format!("{asked:?}").contains("bWU6YTpi"));
        let asked = request("https://ghcr.io/token", None, "o/n", None).expect("a request");
        assert!(!asked.headers().contains_key(AUTHORIZATION));
    }

    #[test]
    fn an_identity_token_goes_by_oauth_and_never_in_an_address() {
        let auth = RegistryAuth::IdentityToken("refresh+me".into());
        let asked = request("https://a.example/token", Some("s"), "o/n", Some(&auth));
        let asked = asked.expect("a request");
        assert_eq!(asked.method(), Method::POST);
        assert_eq!(asked.uri().query(), None);
        let body = format!("{:?}", asked.body());
        assert!(body.contains("refresh_token=refresh%2Bme"), "{body}");
    }

    #[test]
    fn both_names_of_a_token_are_known() {
        for body in [
            r#"{"token":"t"}"#,
            r#"{"access_token":"t"}"#,
            r#"{"token":"","access_token":"t","expires_in":3}"#,
        ] {
            assert_eq!(given(body.as_bytes()).expect(body), "Bearer t");
        }
        for body in ["", "{}", r#"{"token":""}"#, r#"{"token":"a\nb"}"#, "<html>"] {
            assert!(given(body.as_bytes()).is_err(), "{body}");
        }
    }
}
