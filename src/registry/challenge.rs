//! What a registry asks for with 401: `WWW-Authenticate`, as RFC 9110 has it.

/// What to answer with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password.
    Basic,
    /// A token of this token server.
    Bearer {
        /// Its address.
        realm: String,
        /// What the registry calls itself there.
        service: Option<String>,
    },
}

impl Challenge {
    /// The best of what the headers offer: a token before a password.
    pub(super) fn choose<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Self> {
        let mut basic = None;
        for header in headers {
            match Self::parse(header) {
                Some(bearer @ Self::Bearer { .. }) => return Some(bearer),
                Some(Self::Basic) => basic = Some(Self::Basic),
                None => {}
            }
        }
        basic
    }

    fn parse(header: &str) -> Option<Self> {
        let header = header.trim();
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        for (name, value) in parameters(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                // The scope is what the agent needs, whatever is offered.
                _ => {}
            }
        }
        Some(Self::Bearer {
            realm: realm?,
            service,
        })
    }
}

/// `name=value` or `name="quoted, value"`, separated by commas. What is neither ends the list.
fn parameters(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let name = name.trim_matches([' ', '\t', ',']).to_owned();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => match unquoted(quoted) {
                Some(split) => split,
                None => break,
            },
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        found.push((name, value));
        text = rest;
    }
    found
}

/// The text up to the closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let ghcr =
            r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull""#;
        for (headers, chosen) in [
            (
                &[ghcr][..],
                bearer("https://ghcr.io/token", Some("ghcr.io")),
            ),
            (
                &["Basic realm=\"r\"", ghcr],
                bearer("https://ghcr.io/token", Some("ghcr.io")),
            ),
            (
                &["bearer scope=\"a,b=c\", realm=https://x"],
                bearer("https://x", None),
            ),
            (
                &[r#"Bearer realm="a\"b", service="""#],
                bearer("a\"b", Some("")),
            ),
            (&["Basic"], Some(Challenge::Basic)),
            (&["BASIC realm=x"], Some(Challenge::Basic)),
            (&["Bearer service=\"x\""], None),
            (&["Bearer realm=\"never closed"], None),
            (&["Negotiate"], None),
            (&[], None),
        ] {
            assert_eq!(
                Challenge::choose(headers.iter().copied()),
                chosen,
                "{headers:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(text in "\\PC{0,60}", quoted in "[\"\\\\=, a-z]{0,40}") {
            for header in [text.clone(), format!("Bearer {text}"), format!("Bearer realm={quoted}")] {
                // What it means does not matter here.
                drop(Challenge::choose([header.as_str()].into_iter()));
            }
        }
    }
}
