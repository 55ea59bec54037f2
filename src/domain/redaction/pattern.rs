//! A piece of text that is blanked wherever it stands, and the other ways in which a program may write it.

use std::ops::Range;

/// What to look for, and which part of it to blank.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    text: String,
    /// How many bytes at the beginning and at the end are only its surroundings.
    before: usize,
    after: usize,
    /// It counts only where no other word is joined to it.
    alone: bool,
}

impl Pattern {
    /// Blanked wherever it stands.
    pub(super) fn anywhere(text: &str) -> Self {
        Self::between("", text, "")
    }

    /// Blanked where it is a word of its own, and not as a part of a path or of a name with dashes.
    pub(super) fn alone(text: &str) -> Self {
        Self {
            alone: true,
            ..Self::anywhere(text)
        }
    }

    /// Blanked between these surroundings, which stay.
    pub(super) fn between(before: &str, text: &str, after: &str) -> Self {
        Self {
            text: format!("{before}{text}{after}"),
            before: before.len(),
            after: after.len(),
            alone: false,
        }
    }

    /// Where a text has something to blank.
    pub(super) fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        text.match_indices(&self.text)
            .map(|(at, found)| at..at + found.len())
            .filter(|range| !self.alone || !is_joined(text, range))
            .map(|range| range.start + self.before..range.end - self.after)
    }
}

/// Whether a word goes on before or behind a range.
fn is_joined(text: &str, range: &Range<usize>) -> bool {
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    let before = &text[..range.start];
    let behind = &text[range.end..];
    // A full stop ends a sentence; with a letter behind it, it goes on with a name.
    let dotted = |beyond: Option<char>| beyond.is_some_and(char::is_alphanumeric);
    before.ends_with(joins)
        || behind.starts_with(joins)
        || before.ends_with('.') && dotted(before.chars().rev().nth(1))
        || behind.starts_with('.') && dotted(behind.chars().nth(1))
}

/// The secret as it is, and as JSON, a program's debug output or a URL would quote it; none is shorter than six
/// characters if the secret is not.
pub(super) fn spellings(secret: &str) -> Vec<String> {
    let json = serde_json::Value::from(secret).to_string();
    let json = json[1..json.len() - 1].to_owned();
    // Go escapes these three in JSON as well.
    let go = json
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    let debug: String = secret.escape_debug().collect();
    let mut all = vec![secret.to_owned(), json, go, debug, percent_encoded(secret)];
    all.extend(percent_decoded(secret));
    all.sort();
    all.dedup();
    all
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Nothing if it is not the encoding of a text.
fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
