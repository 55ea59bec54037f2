use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::Secrets;

fn blanked(variables: &[(&str, &str)], text: &str) -> String {
    Secrets::of(variables.iter().copied()).blank(text)
}

#[test]
fn ordinary_values_leave_a_text_as_it_is() {
    let variables = [
        ("HOST", "127.0.0.1"),
        ("COMPONENT", "runtime"),
        ("SYSTEM", "dreichor-trading"),
        ("NODE_ENV", "production"),
        ("REDIS_KEY_PREFIX", "dreichor"),
        ("KEY_FILE", "/opt/dreichor/prod/key.pem"),
        ("AUTH_ENABLED", "true"),
        ("TOKEN_TTL", "3600"),
        (
            "IMAGE",
            "ghcr.io/ceerkle/dreichor-trading/runtime:1.0.0-4f9a3c2",
        ),
    ];
    let text = "pull of ghcr.io/ceerkle/dreichor-trading/runtime:1.0.0-4f9a3c2 for dreichor-runtime-prod \
                failed: dial 127.0.0.1:5000, true after 3600 s, production, /opt/dreichor/prod/key.pem";
    assert_eq!(blanked(&variables, text), text);
}

#[test]
fn the_digest_of_an_image_stays_readable() {
    let digest = format!("sha256:{}", "4f9a3c2d".repeat(8));
    let image = format!("ghcr.io/a/runtime:1@{digest}");
    let variables = [("DIGEST", digest.as_str()), ("IMAGE", image.as_str())];
    let text = format!("{image} is not {digest}");
    assert_eq!(blanked(&variables, &text), text);
}

#[test]
fn a_short_secret_is_blanked_behind_its_name_and_in_its_address() {
    let variables = [("DB_PIN", "1234"), ("DB", "postgres://u:pw@h/db")];
    assert_eq!(
        blanked(&variables, "DB_PIN=1234 u:pw@h, port 1234 pw"),
        "DB_PIN=*** u:***@h, port 1234 pw"
    );
}

#[test]
fn a_password_of_letters_is_blanked_where_it_is_a_word_of_its_own() {
    let variables = [("POSTGRES_PASSWORD", "dreichor")];
    assert_eq!(
        blanked(
            &variables,
            "\"dreichor\" u:dreichor@h dreichor-runtime-prod /opt/dreichor/x a.dreichor dreichor."
        ),
        "\"***\" u:***@h dreichor-runtime-prod /opt/dreichor/x a.dreichor ***."
    );
}

#[test]
fn overlapping_secrets_leave_no_piece() {
    let variables = [
        ("A_TOKEN", "abcdef-123456"),
        ("B_TOKEN", "123456-uvwxyz"),
        ("C_TOKEN", "123456"),
    ];
    let text = "<abcdef-123456-uvwxyz> 123456";
    assert_eq!(blanked(&variables, text), "<***> ***");
}

#[test]
fn every_kind_of_secret_is_blanked_whole_and_in_parts() {
    let pem = r"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg+kq/hkiG9w0B\nAQEFAASC\n-----END PRIVATE KEY-----";
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N";
    for (name, value, secret) in [
        ("X", pem, "MIIEvQIBADANBg+kq/hkiG9w0B"),
        ("X", pem, "AQEFAASC"),
        ("X", jwt, jwt),
        ("X", jwt, "dozjgNryP4J3jVmNHl0w5N"),
        (
            "HEADER",
            "Bearer 0123456789abcdef0123",
            "0123456789abcdef0123",
        ),
        ("DB", "postgres://u:hunter22@h/db", "hunter22"),
        (
            "DB",
            "postgres://u:hunter22@h/db",
            "postgres://u:hunter22@h/db",
        ),
        ("DB", "postgres://u:hunt%2Fer@h/db", "hunt/er"),
        ("DB", "u:hunter22@tcp(h)/db", "hunter22"),
        (
            "DB",
            "redis://a:hunter21@h,redis://b:hunter22@h",
            "hunter22",
        ),
        ("DB", "postgres://u:pa,s 'sword1@h/db", "pa,s 'sword1"),
        ("DB", "postgres://h/db?user=u&password=hunter22", "hunter22"),
        ("DB", "host=h user=u password='hunter22'", "hunter22"),
        ("DB", "Server=h;User Id=u;Password=hunter22;", "hunter22"),
        ("CONFIG", r#"{"db":{"accessToken":"hunter22"}}"#, "hunter22"),
        (
            "HOOK",
            "https://h.example/services/T0/B0/aBcDeFgH1234aBcDeFgH1234",
            "aBcDeFgH1234aBcDeFgH1234",
        ),
        ("API_KEYS", "hunter21, hunter22", "hunter22"),
        ("BASIC_AUTH", "admin:hunter22", "hunter22"),
        ("DB_PASSWORD", "\"hunter22\"", "hunter22"),
        ("DB_PASSWORD", "correct horse", "correct horse"),
        ("DB_PASSWORD", "a\"b\\c<d", r#"a\"b\\c<d"#),
        ("DB_PASSWORD", "a\"b\\c<d", r#"a\"b\\c\u003cd"#),
        ("DB_PASSWORD", "a/b c:d", "a%2Fb%20c%3Ad"),
    ] {
        let text = format!("it says <{secret}>!");
        assert_eq!(
            blanked(&[(name, value)], &text),
            "it says <***>!",
            "{value}"
        );
    }
}

/// Ordinary words, as they stand in settings and in messages.
const ORDINARY: [&str; 14] = [
    "127.0.0.1",
    "0.0.0.0",
    "::1",
    "127.0.0.1:5432",
    "runtime",
    "prod",
    "dev",
    "true",
    "false",
    "5432",
    "localhost",
    "info",
    "paper",
    "production",
];

proptest! {
    #[test]
    fn ordinary_words_blank_nothing_under_any_name(
        variables in proptest::collection::vec(
            ("[A-Z]{1,8}|DB_PASSWORD|API_KEY|AUTH|SECRET", proptest::sample::select(&ORDINARY[..])),
            0..8,
        ),
        words in proptest::collection::vec(proptest::sample::select(&ORDINARY[..]), 0..12),
        separator in "[ /:,=@-]",
    ) {
        let text = words.join(&separator);
        let pairs: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        prop_assert_eq!(blanked(&pairs, &text), text);
    }

    #[test]
    fn a_secret_by_name_never_survives(
        name in "([A-Z]{1,6}_)?(PASSWORD|password|PASSWD|SECRET|TOKEN|KEY|CREDENTIALS|PRIVATE_KEY|AUTH|DSN)(_[A-Z]{1,4})?",
        secret in "[!-~]{5,30}[0-9]",
        (before, after) in ("[ -~]{0,20}", "[ -~]{0,20}"),
    ) {
        prop_assume!(!secret.contains('*') && secret.parse::<std::net::IpAddr>().is_err());
        prop_assume!(secret.parse::<std::net::SocketAddr>().is_err() && !secret.starts_with('/'));
        let text = blanked(&[(&name, &secret)], &format!("{before}{secret}{after}"));
        prop_assert!(!text.contains(&secret), "{}", text);
    }

    #[test]
    fn a_password_of_an_address_never_survives(
        scheme in "postgres|mysql|redis|amqps|https",
        password in "[!-~]{6,24}[0-9]",
        rest in "h(:[0-9]{2,4})?(/[a-z]{0,5})?(\\?[a-z]=[a-z])?",
    ) {
        prop_assume!(!password.contains('*') && !password.bytes().all(|b| b.is_ascii_digit()));
        let url = format!("{scheme}://user:{password}@{rest}");
        for text in [url.clone(), format!("<{password}>"), format!("dial user:{password}@h")] {
            let text = blanked(&[("WHERE", &url)], &text);
            prop_assert!(!text.contains(&password), "{}", text);
        }
    }

    #[test]
    fn a_long_random_string_never_survives(
        bytes in any::<[u8; 32]>(),
        length in 24_usize..32,
        form in 0..5,
        (before, after) in ("[ \"']|Bearer |id:|https://h/x/", "[ \"',;]?"),
    ) {
        let secret = match form {
            0 => STANDARD.encode(&bytes[..length]),
            1 => URL_SAFE_NO_PAD.encode(&bytes[..length]),
            2 => bytes[..length].iter().map(|byte| format!("{byte:02x}")).collect(),
            3 => bytes[..length].iter().map(|byte| format!("{byte:02X}")).collect(),
            _ => uuid::Builder::from_random_bytes(bytes[..16].try_into().expect("16")).into_uuid().to_string(),
        };
        prop_assume!(secret.bytes().any(|b| b.is_ascii_digit()) && secret.bytes().any(|b| b.is_ascii_alphabetic()));
        let text = blanked(&[("VALUE", &format!("{before}{secret}{after}"))], &format!("({secret})"));
        prop_assert!(!text.contains(&secret), "{}", text);
    }

    #[test]
    fn any_text_is_blanked_without_a_panic(
        variables in proptest::collection::vec(("\\PC{0,8}", "\\PC{0,30}"), 0..4),
        text in "\\PC{0,60}",
    ) {
        blanked(&variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>(), &text);
    }
}
