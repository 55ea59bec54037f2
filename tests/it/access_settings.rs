//! Settings of the access checks, and the tool that hashes a secret.

use deploy_agent::access::AccessSettings;
use deploy_agent::access::hash_secret::{HashSecretError, hash_secret};
use deploy_agent::settings::Problem;

use super::access_support::access_settings;

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn problems(variables: &[(&str, &str)]) -> Vec<Problem> {
    access_settings(variables).unwrap_err()
}

/// The only problem, which must be about `variable`.
fn problem(variables: &[(&str, &str)], variable: &str) -> String {
    let mut problems = problems(variables);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let Problem {
        variable: name,
        message,
    } = problems.remove(0);
    assert_eq!(name, variable, "{message}");
    message
}

fn assertion(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let team = ("CF_ACCESS_TEAM_DOMAIN", "example.cloudflareaccess.com");
    [&[team, ("CF_ACCESS_AUD", "abc")], more].concat()
}

#[test]
fn without_settings_any_token_passes_and_the_hint_names_what_to_set() {
    let settings = access_settings(&[]).unwrap();
    assert!(settings.accepts_any_token());
    assert_eq!(
        settings.describe(),
        "the two service token headers must be present"
    );
    assert!(AccessSettings::missing_pin_hint().contains("CF_ACCESS_CLIENT_SECRET_SHA256="));
}

#[test]
fn the_description_tells_every_check_that_is_on_and_no_hash() {
    let tokens = [
        ("CF_ACCESS_CLIENT_ID", "a.access, b.access"),
        ("CF_ACCESS_HEADERS", "optional"),
    ];
    let hashes = format!("{HASH},{}", HASH.to_uppercase());
    let mut variables = assertion(&tokens);
    variables.push(("CF_ACCESS_CLIENT_SECRET_SHA256", &hashes));
    let settings = access_settings(&variables).unwrap();
    let text = settings.describe();
    for part in [
        "a.access, b.access",
        "optional",
        "https://example.cloudflareaccess.com",
        "abc",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let debug = format!("{settings:?}");
    assert!(!text.contains("9f86") && !debug.contains("9f86") && !debug.contains("159, 134"));
}

#[test]
fn every_problem_is_reported_at_once_and_none_repeats_a_value() {
    let variables = [
        ("CF_ACCESS_CLIENT_ID", "a,b"),
        ("CF_ACCESS_CLIENT_SECRET_SHA256", "the-raw-secret"),
        ("CF_ACCESS_TEAM_DOMAIN", "the raw secret"),
        ("CF_ACCESS_CERTS_URL", "ftp://the-raw-secret"),
        ("CF_ACCESS_HEADERS", "the-raw-secret"),
    ];
    let problems = problems(&variables);
    let text = format!("{problems:?}");
    for variable in [
        "SECRET_SHA256",
        "TEAM_DOMAIN",
        "AUD",
        "CERTS_URL",
        "HEADERS",
    ] {
        assert!(
            problems
                .iter()
                .any(|problem| problem.variable.ends_with(variable)),
            "{variable}: {text}"
        );
    }
    assert!(!text.contains("raw"), "{text}");
}

#[test]
fn a_blank_value_is_a_problem_and_not_a_check_that_is_off() {
    for variable in ["CF_ACCESS_CERTS_URL", "CF_ACCESS_HEADERS"] {
        assert!(problem(&assertion(&[(variable, "  ")]), variable).contains("empty"));
    }
    let blank_token = [
        ("CF_ACCESS_CLIENT_ID", ""),
        ("CF_ACCESS_CLIENT_SECRET_SHA256", ""),
    ];
    assert_eq!(problems(&blank_token).len(), 2);
}

#[test]
fn ids_and_hashes_go_pair_by_pair() {
    let (id, hash) = ("CF_ACCESS_CLIENT_ID", "CF_ACCESS_CLIENT_SECRET_SHA256");
    assert!(problem(&[(id, "a")], hash).contains("must be set"));
    assert!(problem(&[(hash, HASH)], id).contains("must be set"));
    assert!(problem(&[(id, "a,b"), (hash, HASH)], hash).contains("has 1 entries"));
    assert!(problem(&[(id, "a,,b"), (hash, HASH)], id).contains("entry 2"));
    assert!(problem(&[(id, "a b"), (hash, HASH)], id).contains("entry 1"));
    for wrong in [
        &HASH[1..],
        "zz",
        &HASH.replace('9', "g"),
        &format!("{HASH}00"),
    ] {
        assert!(
            problem(&[(id, "a"), (hash, wrong)], hash).contains("64 hexadecimal"),
            "{wrong}"
        );
    }
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(problem(&[(id, "a"), (hash, of_nothing)], hash).contains("empty secret"));
}

#[test]
fn the_team_domain_may_be_an_address_and_must_be_a_host() {
    let team = "CF_ACCESS_TEAM_DOMAIN";
    for good in [
        "https://Example.cloudflareaccess.com/",
        "example.cloudflareaccess.com",
    ] {
        let settings = access_settings(&[(team, good), ("CF_ACCESS_AUD", "x")]).unwrap();
        let text = settings.describe();
        assert!(
            text.contains("https://example.cloudflareaccess.com/cdn-cgi/access/certs"),
            "{text}"
        );
    }
    for bad in [
        "example",
        "http://a.b",
        "a..b",
        "a.b/c",
        "a.b:443",
        "user@a.b",
        "-a.b",
        "a_.b",
        "https://",
    ] {
        problem(&[(team, bad), ("CF_ACCESS_AUD", "x")], team);
    }
    assert!(problem(&[("CF_ACCESS_AUD", "x")], team).contains("must be set"));
}

#[test]
fn keys_come_over_tls_from_this_host_or_from_a_file() {
    let url = "CF_ACCESS_CERTS_URL";
    for good in [
        "https://a.b/c",
        "http://127.0.0.1:8080/x",
        "http://127.0.0.1/",
        "file:/a/b",
        "file:///a",
    ] {
        access_settings(&assertion(&[(url, good)])).unwrap();
    }
    for bad in [
        "http://a.b/c",
        "http://127.0.0.1.a.b/",
        "http://127.0.0.1@a.b/",
        "http://127.0.0.1:80@a.b/",
        "https://user:word@a.b/",
        "https:///c",
        "file:relative",
        "file://host/a/..",
        "https://a.b/c d",
    ] {
        let tried = access_settings(&assertion(&[(url, bad)]));
        assert!(tried.is_err(), "{bad}");
    }
    assert!(problem(&[(url, "https://a.b")], url).contains("no meaning"));
}

#[test]
fn optional_headers_need_the_assertion() {
    let headers = "CF_ACCESS_HEADERS";
    access_settings(&assertion(&[(headers, "optional")])).unwrap();
    access_settings(&[(headers, "required")]).unwrap();
    let pinned = [
        ("CF_ACCESS_CLIENT_ID", "a"),
        ("CF_ACCESS_CLIENT_SECRET_SHA256", HASH),
    ];
    assert!(
        problem(&[&pinned[..], &[(headers, "optional")]].concat(), headers).contains("only with")
    );
    assert!(problem(&[(headers, "off")], headers).contains("required or optional"));
}

#[test]
fn hash_secret_prints_what_the_settings_take() {
    for input in ["test", "test\n", "test\r\n"] {
        assert_eq!(hash_secret(input.as_bytes()).unwrap(), HASH);
    }
}

#[test]
fn hash_secret_refuses_what_can_be_no_secret() {
    for empty in ["", "\n", "\r\n"] {
        assert!(matches!(
            hash_secret(empty.as_bytes()),
            Err(HashSecretError::Empty)
        ));
    }
    for other in [
        "a b",
        "two\nlines\n",
        " test",
        "test\n\n",
        &"x".repeat(5000),
        "sch\u{fc}ssel",
    ] {
        let error = hash_secret(other.as_bytes()).unwrap_err();
        assert!(matches!(error, HashSecretError::NotASecret), "{error}");
    }
}
