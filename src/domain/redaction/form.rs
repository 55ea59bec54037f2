//! What the form of a value says about it, whatever its name is.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// In characters. A shorter random string cannot be told from a word, a version or a date.
const SHORTEST_RANDOM: usize = 20;
/// In characters, of all that is no word in a string of several parts, such as `Zk3!f9@Lm2`.
const SHORTEST_RANDOM_PARTS: usize = 10;
/// The same where capitals and small letters are mixed, as nearly all base64 has them.
const SHORTEST_MIXED_PARTS: usize = 6;
/// Digits behind a word that leave it a word: `v1`, `db12`, `sha256`.
const MAX_SUFFIX_DIGITS: usize = 3;
/// Words of settings and of the agent's own messages. Whoever reads one of them learns nothing.
const PLAIN: [&str; 40] = [
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "none",
    "null",
    "undefined",
    "enabled",
    "disabled",
    "required",
    "optional",
    "default",
    "auto",
    "prod",
    "production",
    "dev",
    "development",
    "test",
    "testing",
    "staging",
    "local",
    "localhost",
    "runtime",
    "container",
    "docker",
    "paper",
    "live",
    "trace",
    "debug",
    "info",
    "warn",
    "warning",
    "error",
    "bridge",
    "host",
    "running",
    "healthy",
    "unhealthy",
];

/// Whether the value is a common word, a small number or an address of the network: never blanked by itself.
pub(super) fn is_plain(value: &str) -> bool {
    let small_number = value.len() <= 5 && value.bytes().all(|b| b.is_ascii_digit());
    small_number
        || PLAIN.iter().any(|word| word.eq_ignore_ascii_case(value))
        || value.parse::<IpAddr>().is_ok()
        || value.parse::<SocketAddr>().is_ok()
}

/// Whether the value is one word of plain letters, which may also stand in a text that has nothing to do with it.
pub(super) fn is_word(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_lowercase()) || value.bytes().all(|b| b.is_ascii_uppercase())
}

/// A long string of letters and digits that nobody has written by hand.
pub(super) fn is_random(text: &str) -> bool {
    let letters = text.bytes().any(|b| b.is_ascii_alphabetic());
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    if text.chars().count() < SHORTEST_RANDOM || !letters || !digits {
        return false;
    }
    let segments = || text.split(|c: char| !c.is_ascii_alphanumeric());
    if is_uuid(text) || is_mixed(text) || segments().any(is_random_segment) {
        return true;
    }
    let all: usize = segments().map(str::len).sum();
    let odd: usize = segments().filter(|s| !is_wordlike(s)).map(str::len).sum();
    let mixed_case = text.bytes().any(|b| b.is_ascii_uppercase())
        && text.bytes().any(|b| b.is_ascii_lowercase());
    odd >= SHORTEST_RANDOM_PARTS && odd * 2 >= all || mixed_case && odd >= SHORTEST_MIXED_PARTS
}

/// The same without a character between.
pub(super) fn is_random_segment(text: &str) -> bool {
    text.len() >= SHORTEST_RANDOM
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
        && text.bytes().any(|b| b.is_ascii_alphabetic())
        && text.bytes().any(|b| b.is_ascii_digit())
}

/// The id of a container or an image, short or long, or of a commit.
pub(super) fn is_id(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    matches!(text.len(), 12 | 40 | 64) && text.bytes().all(hex)
}

/// `eyJ….….…`: the beginning is that of every JSON object in base64.
pub(super) fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() >= 3
}

/// Capitals, small letters, and what neither a name nor an address holds: a password that was generated.
fn is_mixed(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_uppercase())
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && text.bytes().any(|b| b"!#$%^&*~|<>{}".contains(&b))
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// A number, or a word with at most a few digits behind it.
fn is_wordlike(segment: &str) -> bool {
    let word = segment.trim_end_matches(|c: char| c.is_ascii_digit());
    if word.is_empty() {
        return true;
    }
    let capitalised = word
        .get(1..)
        .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase()));
    let letters = word.bytes().all(|b| b.is_ascii_alphabetic());
    letters && (capitalised || is_word(word)) && segment.len() - word.len() <= MAX_SUFFIX_DIGITS
}

/// Where the password of a URL may stand: behind the first colon of its authority, up to an `@`.
///
/// A password that was not escaped may hold the `/`, `?` or `#` that seems to end the authority, so that the last `@` of
/// all counts as well as the last one of the authority. A path can hold an `@` too; then a piece of it is blanked, which
/// is better than a password that is not.
pub(super) fn passwords_of(url: &str) -> impl Iterator<Item = Range<usize>> {
    let begin = url.find("://").map_or(url.len(), |at| at + 3);
    let rest = &url[begin..];
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let colon = authority.find(':');
    let ends = [authority.rfind('@'), rest.rfind('@')];
    ends.into_iter()
        .filter_map(move |end| Some(begin + colon? + 1..begin + end?))
        .filter(|range| !range.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_strings_are_told_from_what_people_write() {
        for random in [
            "4f9a3c2d4f9a3c2d4f9a",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "Zk3!f9@Lm2#Qp8$Rt5^Wy",
            "123e4567-e89b-12d3-a456-426614174000",
            "xoxb-1234567890-AbCdEf9876543210",
        ] {
            assert!(is_random(random), "{random}");
        }
        for written in [
            "ghcr.io/ceerkle/dreichor-trading/runtime:1.0.0-4f9a3c2",
            "/opt/dreichor/prod1/volumes/audit-events",
            "dreichor-runtime-prod-1",
            "db-prod-1.internal.example.com:5432",
            "2026-11-25T10:10:59.123Z",
            "a-very-long-name-without-digits",
            "12345678901234567890",
            "4f9a3c2d",
        ] {
            assert!(!is_random(written), "{written}");
        }
    }

    #[test]
    fn the_password_of_a_url_is_found_whatever_it_holds() {
        for (url, password) in [
            ("postgres://u:hunter22@h/db", Some("hunter22")),
            ("postgres://u:p@ss@h/db", Some("p@ss")),
            ("postgres://u:p/a?s#s@h/db", Some("p/a?s#s")),
            ("postgres://u:0/1@h/db", Some("0/1")),
            ("postgres://u:@?1@h/db", Some("@?1")),
            ("redis://:hunter22@h:6379", Some("hunter22")),
            ("https://h:443/x?mail=a", None),
            ("https://h/x:y@z", None),
            ("ssh://git@h/x", None),
            ("http://u:@h", None),
            ("unix:///var/run/docker.sock", None),
        ] {
            let found: Vec<&str> = passwords_of(url).map(|range| &url[range]).collect();
            match password {
                Some(password) => assert!(found.contains(&password), "{url}: {found:?}"),
                None => assert!(found.is_empty(), "{url}: {found:?}"),
            }
        }
    }
}
