//! The two headers: their presence, pinned tokens, and what is recorded of the caller.

use std::time::SystemTime;

use deploy_agent::access::{Access, Admitted, Denied, Header, Presented};
use proptest::prelude::*;

use super::access_support::access_settings;

const SECRET: &str = "test";
const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const NEW_SECRET: &str = "new";
const NEW_HASH: &str = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437";

fn access(variables: &[(&str, &str)]) -> Access {
    Access::new(access_settings(variables).unwrap())
}

fn pinned() -> Access {
    let hashes = format!("{HASH},{NEW_HASH}");
    access(&[
        ("CF_ACCESS_CLIENT_ID", "old.access,new.access"),
        ("CF_ACCESS_CLIENT_SECRET_SHA256", &hashes),
    ])
}

fn headers<'a>(id: &'a [u8], secret: &'a [u8]) -> Presented<'a> {
    let assertion = Header::Absent;
    Presented {
        client_id: Header::Once(id),
        client_secret: Header::Once(secret),
        assertion,
    }
}

fn check<'a>(access: &Access, presented: &Presented<'a>) -> Result<Admitted<'a>, Denied> {
    access.check(presented, SystemTime::now())
}

fn verdict(access: &Access, id: &str, secret: &str) -> Result<(), Denied> {
    check(access, &headers(id.as_bytes(), secret.as_bytes())).map(drop)
}

#[test]
fn both_headers_must_be_there_and_hold_something() {
    let access = access(&[]);
    let missing_id = Err(Denied::MissingHeader("CF-Access-Client-Id"));
    let missing_secret = Err(Denied::MissingHeader("CF-Access-Client-Secret"));
    assert_eq!(check(&access, &Presented::default()).map(drop), missing_id);
    let only_id = Presented {
        client_id: Header::Once(b"a"),
        ..Presented::default()
    };
    assert_eq!(check(&access, &only_id).map(drop), missing_secret);
    for blank in ["", " ", " \t "] {
        assert_eq!(verdict(&access, blank, "x"), missing_id);
        assert_eq!(verdict(&access, "x", blank), missing_secret);
    }
    assert_eq!(verdict(&access, "x", "y"), Ok(()));
}

#[test]
fn a_header_that_came_twice_is_refused_even_with_equal_values() {
    let twice = Header::from_values([&b"a"[..], b"a"]);
    let presented = Presented {
        client_id: twice,
        ..headers(b"a", b"b")
    };
    let denied = Err(Denied::RepeatedHeader("CF-Access-Client-Id"));
    assert_eq!(check(&access(&[]), &presented).map(drop), denied);
    let presented = Presented {
        client_secret: twice,
        ..headers(b"a", b"b")
    };
    let denied = Err(Denied::RepeatedHeader("CF-Access-Client-Secret"));
    assert_eq!(check(&pinned(), &presented).map(drop), denied);
}

#[test]
fn only_a_pinned_pair_passes_and_both_pairs_do_during_rotation() {
    let access = pinned();
    assert_eq!(verdict(&access, "old.access", SECRET), Ok(()));
    assert_eq!(verdict(&access, " new.access ", NEW_SECRET), Ok(()));
    let wrong = [
        ("old.access", NEW_SECRET),
        ("new.access", SECRET),
        ("old.access", "wrong"),
        ("unknown.access", SECRET),
        ("OLD.access", SECRET),
        ("old.access", HASH),
        ("old.access,new.access", SECRET),
    ];
    for (id, secret) in wrong {
        assert_eq!(
            verdict(&access, id, secret),
            Err(Denied::WrongToken),
            "{id}"
        );
    }
}

#[test]
fn the_caller_learns_the_same_from_every_refused_check() {
    let reasons = [
        Denied::WrongToken.reason(),
        Denied::RepeatedHeader("X").reason(),
    ];
    assert!(
        reasons
            .iter()
            .all(|reason| reason == "Access was denied; nothing was changed.")
    );
    let missing = Denied::MissingHeader("CF-Access-Client-Id").reason();
    assert_eq!(
        missing,
        "The header CF-Access-Client-Id is missing or empty; nothing was changed."
    );
}

#[test]
fn the_requester_is_bounded_and_printable_and_says_whether_it_is_proven() {
    let long = b"evil\r\nid\x1b[31m\xff ".repeat(100);
    let requester = check(&access(&[]), &headers(&long, b"x"))
        .unwrap()
        .requester();
    assert!(
        requester.name().starts_with("evil??id?[31m??evil"),
        "{}",
        requester.name()
    );
    assert_eq!(requester.name().len(), 128);
    assert!(!requester.pinned);
    let requester = check(&pinned(), &headers(b"old.access", b"test"))
        .unwrap()
        .requester();
    assert_eq!((requester.name(), requester.pinned), ("old.access", true));
}

#[test]
fn debug_output_shows_nothing_that_was_presented() {
    let presented = Presented {
        assertion: Header::Once(b"canary"),
        ..headers(b"canary", b"canary")
    };
    assert!(!format!("{presented:?} {:?}", pinned()).contains("canary"));
}

fn any_header() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300))
}

proptest! {
    #[test]
    fn no_header_bytes_panic_or_pass_as_a_pinned_token(id in any_header(), secret in any_header()) {
        let presented = Presented {
            client_id: Header::from_values(id.as_deref()),
            client_secret: Header::from_values(secret.as_deref()),
            assertion: Header::Absent,
        };
        prop_assert!(check(&pinned(), &presented).is_err());
        if let Ok(admitted) = check(&access(&[]), &presented) {
            let requester = admitted.requester();
            prop_assert!(requester.name().bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
