//! The secrets that a text of others shows by its own form, whoever they belong to: of an engine, of a registry, of a
//! caller. No variable says here what is secret.

use super::form::{is_random_segment, is_word};
use super::name::says_secret;
use super::secrets::Secrets;

/// In characters. What stands behind `name: ` and is shorter is more likely a word of a message than a secret.
const SHORTEST_BEHIND_COLON: usize = 8;
/// What a password or a token follows in a header.
const SCHEMES: [&str; 2] = ["basic", "bearer"];
/// Between the pieces of a text that are read one by one.
const BETWEEN: &str = "\"'`<>(){}[]|";

/// A text in which nothing is left that looks like a secret.
#[must_use]
pub fn blank_secrets(text: &str) -> String {
    Secrets::of_text(text, false).blank(text)
}

/// The same of a text that speaks of containers, images and commits: their hexadecimal ids stay readable.
#[must_use]
pub fn blank_secrets_but_ids(text: &str) -> String {
    Secrets::of_text(text, true).blank(text)
}

/// A text of others in which these secrets, each by its name, are blanked too.
#[must_use]
pub fn blank_values<'a>(
    secrets: impl IntoIterator<Item = (&'a str, &'a str)>,
    text: &str,
) -> String {
    Secrets::of(secrets).blank(text)
}

/// A text up to its last blank before `limit` characters: half of a secret would not be known for one.
#[must_use]
pub fn whole_words(text: &str, limit: usize) -> &str {
    match text.char_indices().nth(limit) {
        Some((cut, _)) => &text[..text[..cut].rfind(' ').unwrap_or(0)],
        None => text,
    }
}

/// The name of a variable as it may be shown: a line of a file without its name ends up as one, password and all.
#[must_use]
pub fn shown_name(name: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    match name.chars().all(plain) && blank_secrets(name) == name {
        true => name,
        false => "***",
    }
}

impl Secrets {
    fn of_text(text: &str, keep_ids: bool) -> Self {
        let mut secrets = Self::none(keep_ids);
        for word in text.split(|c: char| c.is_whitespace() || BETWEEN.contains(c)) {
            let word = word.trim_end_matches(['.', ',', ';', ':']);
            if keep_ids && is_reference(word) {
                secrets.take_addresses(word);
            } else {
                secrets.take_formed(word);
                secrets.take_parameters(word);
            }
        }
        secrets.take_key_blocks(text);
        secrets.take_headers(text);
        for (at, _) in text.match_indices(['=', ':']) {
            secrets.take_pair(text, at);
        }
        secrets
    }

    fn take_key_blocks(&mut self, text: &str) {
        for (at, _) in text.match_indices("-----BEGIN ") {
            let block = &text[at..];
            let end = block.find("-----END ").unwrap_or(block.len());
            self.take_formed(&block[..end]);
        }
    }

    fn take_headers(&mut self, text: &str) {
        let mut words = text.split_whitespace().peekable();
        while let (Some(word), Some(next)) = (words.next(), words.peek()) {
            let scheme = word.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
            let value = next.trim_end_matches(|c: char| BETWEEN.contains(c) || ".,;:".contains(c));
            if SCHEMES
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
                && !is_word(value)
            {
                self.take_named("authorization", value);
            }
        }
    }

    /// `name=value`, `name: value` and `"name":"value"`, the separator at this place.
    fn take_pair(&mut self, text: &str, at: usize) {
        let (before, behind) = (&text[..at], &text[at + 1..]);
        let before = before.trim_end_matches(['"', '\'', '\\']);
        let of_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let name = &before[before.trim_end_matches(of_name).len()..];
        let value = behind.trim_start_matches(|c: char| c.is_whitespace() || "\"'\\".contains(c));
        let gap = &behind[..behind.len() - value.len()];
        let ends = |c: char| c.is_whitespace() || ",;&".contains(c) || BETWEEN.contains(c);
        let value = value
            .split(ends)
            .next()
            .unwrap_or_default()
            .trim_end_matches(['\\', '.']);
        let colon = text.as_bytes()[at] == b':';
        let loose = colon && !gap.contains(['"', '\'']);
        let a_word = is_word(value) || value.bytes().all(|b| b.is_ascii_digit());
        if value.is_empty() || !says_secret(name, value) || colon && gap.is_empty() {
            return;
        }
        if loose && (a_word || value.len() < SHORTEST_BEHIND_COLON) {
            return;
        }
        let end = at + 1 + gap.len();
        self.take_between(
            &text[at - (before.len() - name.len()).abs_diff(at)..end],
            value,
        );
        self.take_named(name, value);
    }
}

/// An image or an address in small letters, which may hold a part that nobody has written by hand, because in what is
/// random there are nearly always capitals; or an absolute path without a long random part.
fn is_reference(word: &str) -> bool {
    let of_references = |b: u8| b.is_ascii_alphanumeric() || b"./:@_-".contains(&b);
    let small = !word.bytes().any(|b| b.is_ascii_uppercase());
    let path = word.starts_with('/') && !word.split('/').any(is_random_segment);
    word.contains('/') && word.bytes().all(of_references) && (small || path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_like_a_secret_is_blanked_in_a_text_of_others() {
        let token = "aBcDeFgH1234aBcDeFgH1234";
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N";
        for (text, secret) in [
            (
                "dial postgres://u:hunter22@h/db: refused".to_owned(),
                "hunter22",
            ),
            (
                "Get https://ci:hunter22@registry.example/v2/: EOF".to_owned(),
                "hunter22",
            ),
            (r#"{"auth":{"password":"hunter22"}}"#.to_owned(), "hunter22"),
            (r#"said \"password\": \"pw22\", not ok"#.to_owned(), "pw22"),
            ("password=pw rejected".to_owned(), "pw "),
            ("PGPASSWORD=hunter22".to_owned(), "hunter22"),
            ("password: hunter22!".to_owned(), "hunter22"),
            (
                "Authorization: Basic Y2k6aHVudGVyMjI= is wrong".to_owned(),
                "Y2k6aHVudGVyMjI=",
            ),
            (format!("bearer {token}"), token),
            (format!("token {jwt}, expired"), jwt),
            (format!("no such user <{token}>."), token),
            (
                "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----".to_owned(),
                "MIIEvQIBADANBg",
            ),
        ] {
            let said = blank_secrets_but_ids(&text);
            assert!(
                !said.contains(secret) && said.contains("***"),
                "{text}: {said}"
            );
            assert_eq!(blank_secrets(&text), said);
        }
    }

    #[test]
    fn what_engines_and_registries_say_stays_readable() {
        let digest = "4f9a3c2d".repeat(8);
        let commit = "4f9a3c2d".repeat(5);
        for text in [
            format!("manifest for ghcr.io/ceerkle/dreichor-trading/runtime:{commit} not found: manifest unknown"),
            format!("Conflict. The container name \"/dreichor-runtime-dev\" is already in use by container \"{digest}\"."),
            format!("runtime:1.0.0 is now sha256:{digest}"),
            "failed to fetch oauth token: unexpected status: 401 Unauthorized".to_owned(),
            "Get \"https://auth.docker.io:443/token?service=registry.docker.io\": dial tcp 127.0.0.1:5000: connect: connection refused".to_owned(),
            "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access".to_owned(),
            "invalid token: expired".to_owned(),
            "bind source path does not exist: /tmp/.tmpZlKS4E/volumes/snapshots".to_owned(),
            "manifest for 127.0.0.1:39763/test-18c2f3a4b5c6d7e8f9-3/runtime:9.9.9 not found".to_owned(),
            "Get \"http://127.0.0.1:39763/v2/test-18c2f3a4b5c6d7e8f9-3/runtime/manifests/1\": EOF".to_owned(),
            "DOCKER_CONFIG /opt/dreichor/prod/deploy-agent/docker/config.json".to_owned(),
        ] {
            assert_eq!(blank_secrets_but_ids(&text), text);
        }
        let id = format!("container {digest}");
        assert_eq!(
            blank_secrets(&id),
            "container ***",
            "of a caller it may be a token's secret"
        );
    }

    #[test]
    fn a_name_that_was_meant_for_a_value_is_not_shown() {
        for name in [
            "DATABASE_URL",
            "EXECUTION_PLANE",
            "my.app-name_2",
            "REDIS_V2_CLUSTER_KEY_PREFIX",
            "A",
        ] {
            assert_eq!(shown_name(name), name);
        }
        for value in [
            "postgres://u:hunter22@h/db?sslmode",
            "c2VjcmV0c2VjcmV0MTIz",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
            "p@ss!",
            "4f9a3c2d4f9a3c2d4f9a3c2d4f9a3c2d4f9a3c2d4f9a3c2d4f9a3c2d4f9a3c2d",
        ] {
            assert_eq!(shown_name(value), "***");
        }
    }

    proptest! {
        #[test]
        fn a_password_of_an_address_survives_in_no_text(
            password in "[a-zA-Z0-9!$%^*+=_~-]{6,24}[0-9]",
            (before, after) in ("[ -~]{0,20}", "[ -~]{0,20}"),
        ) {
            prop_assume!(!password.contains('*') && !password.bytes().all(|b| b.is_ascii_digit()));
            let text = format!("{before} postgres://user:{password}@h/db {after}");
            for said in [blank_secrets(&text), blank_secrets_but_ids(&text)] {
                prop_assert!(!said.contains(&format!(":{password}@")), "{}", said);
            }
        }

        #[test]
        fn a_value_whose_name_says_secret_survives_in_no_text(
            name in "(password|client_secret|PGPASSWORD|api-key|accessToken)",
            value in "[a-zA-Z0-9+/_-]{6,24}[0-9]",
            form in 0..3,
            (before, after) in ("[a-z ]{0,20}", "[a-z ]{0,20}"),
        ) {
            prop_assume!(!value.bytes().all(|b| b.is_ascii_digit()));
            let pair = match form {
                0 => format!("{name}={value}"),
                1 => format!("\"{name}\":\"{value}\""),
                _ => format!("\"{name}\": \"{value}\","),
            };
            let said = blank_secrets_but_ids(&format!("{before} {pair} {after}"));
            prop_assert!(!said.contains(&value), "{}", said);
        }

        #[test]
        fn any_text_of_others_is_read_without_a_panic(text in "\\PC{0,200}") {
            prop_assert_eq!(blank_secrets(&text).is_empty(), text.is_empty());
        }
    }
}
