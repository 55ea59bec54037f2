//! Where keys come from, and what happens when they rotate, or when nobody gives any.

use std::time::{Duration, Instant};

use deploy_agent::access::{Denied, RefreshPolicy};
use serde_json::json;

use crate::access_support::*;

#[tokio::test]
async fn a_rotated_key_is_fetched_by_the_first_request_that_needs_it() {
    let server = KeyServer::start(Reply::KeySet(key_set(&[("one", &KEY)]))).await;
    let checks = Checks::start(&server, quick(), &[]);
    checks.verdict(&good_token()).await.expect("the first key");
    let fetched = server.requests();
    server.now_answers(Reply::KeySet(key_set(&[("two", &NEXT_KEY), ("one", &KEY)])));
    let next = token(&NEXT_KEY, &with(header(), "kid", json!("two")), &claims());
    checks.verdict(&next).await.expect("the rotated key");
    checks.verdict(&good_token()).await.expect("the key before");
    assert_eq!(server.requests(), fetched + 1);
}

#[tokio::test]
async fn the_key_set_is_asked_for_by_name_because_some_edges_refuse_the_nameless() {
    // The server answers 403 to whoever does not say who asks.
    let checks = Checks::ready(&[]).await;
    checks.verdict(&good_token()).await.expect("the key came");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_causes_few_fetches() {
    let server = KeyServer::start(Reply::KeySet(key_set(&[("one", &KEY)]))).await;
    let policy = RefreshPolicy {
        min_gap: Duration::from_secs(3600),
        ..quick()
    };
    let checks = Checks::start(&server, policy, &[]);
    checks.verdict(&good_token()).await.expect("the first key");
    let before = server.requests();
    for number in 0..200 {
        let header = with(header(), "kid", json!(format!("made-up-{number}")));
        assert!(
            checks
                .verdict(&token(&STRANGERS_KEY, &header, &claims()))
                .await
                .is_err()
        );
    }
    assert!(
        server.requests() <= before + 1,
        "{} fetches",
        server.requests()
    );
}

#[tokio::test]
async fn a_set_that_cannot_be_fetched_again_stays_good() {
    let server = KeyServer::start(Reply::KeySet(key_set(&[("one", &KEY)]))).await;
    let checks = Checks::start(&server, quick(), &[]);
    checks.verdict(&good_token()).await.expect("the first key");
    for reply in [
        Reply::Status(500, "no"),
        Reply::Status(200, "<html>log in</html>"),
        Reply::Status(200, r#"{"keys":[]}"#),
        Reply::Silence,
    ] {
        server.now_answers(reply);
        let header = with(header(), "kid", json!("unknown"));
        assert!(
            checks
                .verdict(&token(&STRANGERS_KEY, &header, &claims()))
                .await
                .is_err()
        );
        checks
            .verdict(&good_token())
            .await
            .expect("what was known is still good");
    }
}

#[tokio::test]
async fn without_any_keys_the_server_cannot_judge_and_says_so_in_time() {
    for reply in [
        Reply::Status(404, ""),
        Reply::Endless,
        Reply::Drip,
        Reply::Silence,
    ] {
        let server = KeyServer::start(reply).await;
        let checks = Checks::start(&server, quick(), &[]);
        let begun = Instant::now();
        assert_eq!(
            checks.verdict(&good_token()).await,
            Err(Denied::KeysUnavailable)
        );
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let keys = KeyServer::start(Reply::KeySet(key_set(&[("one", &KEY)]))).await;
    let server = KeyServer::start(Reply::RedirectTo(keys.url.clone())).await;
    let checks = Checks::start(&server, quick(), &[]);
    assert_eq!(
        checks.verdict(&good_token()).await,
        Err(Denied::KeysUnavailable)
    );
    assert_eq!(keys.requests(), 0);
}

#[tokio::test]
async fn a_set_that_nobody_confirms_ends() {
    let server = KeyServer::start(Reply::KeySet(key_set(&[("one", &KEY)]))).await;
    let policy = RefreshPolicy {
        validity: Duration::from_millis(300),
        ..quick()
    };
    let checks = Checks::start(&server, policy, &[]);
    checks.verdict(&good_token()).await.expect("fresh");
    server.now_answers(Reply::Status(503, ""));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(
        checks.verdict(&good_token()).await,
        Err(Denied::KeysUnavailable)
    );
}
