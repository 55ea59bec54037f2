//! What an assertion must be, and everything it must not: one test a kind of forgery.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deploy_agent::access::{AssertionFault, Denied, Header, Presented};
use serde_json::{Value, json};

use crate::access_support::*;

fn fault(verdict: Result<(), Denied>) -> AssertionFault {
    match verdict {
        Err(Denied::BadAssertion(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_service_tokens_assertion_is_admitted_and_names_its_caller() {
    let checks = Checks::ready(&[]).await;
    let token = good_token();
    let presented = presenting(&token);
    let admitted = checks.admit(&presented).await.expect("admitted");
    assert_eq!(admitted.requester().name(), TOKEN_ID);
    // Real tokens of other years lack `type`, `iat` or `nbf`.
    for member in ["type", "iat", "sub"] {
        let claims = with(claims(), member, Value::Null);
        checks.verdict(&token_of(&claims)).await.expect(member);
    }
}

fn token_of(claims: &Value) -> String {
    token(&KEY, &header(), claims)
}

#[tokio::test]
async fn claims_that_are_not_this_agents_are_refused() {
    let checks = Checks::ready(&[]).await;
    let now = now_secs();
    for (member, value) in [
        ("iss", json!("https://other.cloudflareaccess.com")),
        ("iss", json!(format!("https://{TEAM}/"))),
        ("iss", json!([format!("https://{TEAM}")])),
        ("iss", Value::Null),
        ("aud", json!(["aud-of-prod"])),
        ("aud", json!([])),
        ("aud", json!(5)),
        ("aud", Value::Null),
        ("exp", json!(now - 3600)),
        ("exp", json!("never")),
        ("exp", Value::Null),
        ("nbf", json!(now + 3600)),
        ("iat", json!(now + 3600)),
        ("common_name", json!("stranger.access")),
        ("common_name", json!("")),
        ("common_name", Value::Null),
    ] {
        let claims = with(claims(), member, value.clone());
        fault(checks.verdict(&token_of(&claims)).await);
    }
}

#[tokio::test]
async fn a_few_seconds_between_clocks_are_forgiven() {
    let checks = Checks::ready(&[]).await;
    let now = now_secs();
    for (member, value) in [("exp", now - 10), ("nbf", now + 10), ("iat", now + 10)] {
        let claims = with(claims(), member, json!(value));
        checks.verdict(&token_of(&claims)).await.expect(member);
    }
}

#[tokio::test]
async fn algorithms_other_than_rs256_are_refused() {
    let checks = Checks::ready(&[]).await;
    for algorithm in [
        "none", "None", "HS256", "RS384", "RS512", "PS256", "ES256", "EdDSA",
    ] {
        let header = with(header(), "alg", json!(algorithm));
        fault(checks.verdict(&token(&KEY, &header, &claims())).await);
    }
    // Unsigned, and signed with the public key as if it were a shared secret.
    let none = with(header(), "alg", json!("none"));
    fault(
        checks
            .verdict(&format!("{}.", signing_input(&none, &claims())))
            .await,
    );
    let shared = with(header(), "alg", json!("HS256"));
    let input = signing_input(&shared, &claims());
    let key = hmac::Key::new(hmac::HMAC_SHA256, &modulus(&KEY));
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes()));
    fault(checks.verdict(&format!("{input}.{signature}")).await);
}

#[tokio::test]
async fn keys_of_others_are_refused() {
    let checks = Checks::ready(&[]).await;
    // Our key id on a stranger's signature; a stranger's key id; a key in the token itself.
    fault(
        checks
            .verdict(&token(&STRANGERS_KEY, &header(), &claims()))
            .await,
    );
    let unknown = with(header(), "kid", json!("two"));
    assert_eq!(
        fault(
            checks
                .verdict(&token(&STRANGERS_KEY, &unknown, &claims()))
                .await
        ),
        AssertionFault::UnknownKey
    );
    let own = jwk("one", &modulus(&STRANGERS_KEY));
    for (member, value) in [
        ("jwk", own),
        ("jku", json!("http://127.0.0.1/keys")),
        ("x5u", json!("http://127.0.0.1/cert")),
        ("x5c", json!(["MII"])),
        ("crit", json!(["exp"])),
    ] {
        let header = with(header(), member, value);
        fault(checks.verdict(&token(&KEY, &header, &claims())).await);
        fault(
            checks
                .verdict(&token(&STRANGERS_KEY, &header, &claims()))
                .await,
        );
    }
    for kid in [
        Value::Null,
        json!(""),
        json!(5),
        json!("../one"),
        json!("x".repeat(2000)),
    ] {
        let header = with(header(), "kid", kid);
        fault(checks.verdict(&token(&KEY, &header, &claims())).await);
    }
}

#[tokio::test]
async fn what_is_changed_after_signing_is_refused() {
    let checks = Checks::ready(&[]).await;
    let good = good_token();
    let (input, signature) = good.rsplit_once('.').expect("three parts");
    let other = with(claims(), "common_name", json!("admin.access"));
    let swapped = format!("{}.{signature}", signing_input(&header(), &other));
    fault(checks.verdict(&swapped).await);
    fault(checks.verdict(&format!("{input}.")).await);
    fault(checks.verdict(input).await);
    fault(checks.verdict(&format!("{good}.{signature}")).await);
    let mut bytes = good.into_bytes();
    for at in (0..bytes.len()).step_by(37) {
        let before = bytes[at];
        bytes[at] = if before == b'A' { b'B' } else { b'A' };
        let text = String::from_utf8(bytes.clone()).expect("ASCII");
        fault(checks.verdict(&text).await);
        bytes[at] = before;
    }
}

#[tokio::test]
async fn garbage_is_refused_without_a_panic() {
    let checks = Checks::ready(&[]).await;
    for text in [
        "", ".", "..", "...", "a.b.c", "{}", "ey.ey.ey", "\u{0}", "é.é.é",
    ] {
        let verdict = checks.verdict(text).await;
        assert!(verdict.is_err(), "{text:?}");
    }
    let long = format!("{}.{}", good_token(), "A".repeat(10_000));
    assert_eq!(fault(checks.verdict(&long).await), AssertionFault::TooLong);
    let bytes: Vec<u8> = (0..=255).collect();
    let odd = Presented {
        assertion: Header::Once(&bytes),
        ..presenting("")
    };
    assert!(checks.admit(&odd).await.is_err());
}

#[tokio::test]
async fn the_assertion_must_be_there_and_belong_to_the_headers_token() {
    let checks = Checks::ready(&[]).await;
    let token = good_token();
    let absent = Presented {
        assertion: Header::Absent,
        ..presenting("")
    };
    assert_eq!(
        fault(checks.admit(&absent).await.map(drop)),
        AssertionFault::Missing
    );
    let repeated = Presented {
        assertion: Header::Repeated,
        ..presenting("")
    };
    assert!(matches!(
        checks.admit(&repeated).await,
        Err(Denied::RepeatedHeader(_))
    ));
    let other = Presented {
        client_id: Header::Once(b"other.access"),
        ..presenting(&token)
    };
    assert_eq!(
        fault(checks.admit(&other).await.map(drop)),
        AssertionFault::OtherToken
    );
}

#[tokio::test]
async fn headers_may_be_missing_only_when_that_is_asked_for() {
    let required = Checks::ready(&[]).await;
    let token = good_token();
    let bare = Presented {
        client_id: Header::Absent,
        client_secret: Header::Absent,
        ..presenting(&token)
    };
    assert!(matches!(
        required.admit(&bare).await,
        Err(Denied::MissingHeader(_))
    ));
    let server = KeyServer::start(Reply::KeySet(key_set(&[("one", &KEY)]))).await;
    let optional = Checks::start(&server, quick(), &[("CF_ACCESS_HEADERS", "optional")]);
    let admitted = optional.admit(&bare).await.expect("admitted");
    assert_eq!(admitted.requester().name(), TOKEN_ID);
    let bad = Presented {
        assertion: Header::Once(b"a.b.c"),
        ..bare
    };
    assert!(optional.admit(&bad).await.is_err());
}
