//! Why something that is attached to an image does not count as a signature of it.

use thiserror::Error;

/// The longest piece of foreign text that a reason quotes, in characters.
const LONGEST_QUOTE: usize = 160;

/// Why it does not count: the rest of a sentence that began with what it is.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No JSON, a field that is unknown, missing or there twice.
    #[error("its {what} cannot be read: {why}")]
    Unreadable {
        /// Which part.
        what: &'static str,
        /// Why, cut and harmless.
        why: String,
    },
    /// A type that must be exactly one thing is another.
    #[error("its {what} is {found}, not {wanted}")]
    Type {
        /// Which type.
        what: &'static str,
        /// As it is, cut and harmless.
        found: String,
        /// As it must be.
        wanted: &'static str,
    },
    /// It has no signature, or several, where there must be one.
    #[error("it holds {0} signatures, not one")]
    Signatures(usize),
    /// The base64 of signature or payload is none.
    #[error("its {0} is not base64")]
    Base64(&'static str),
    /// A certificate or a key comes with it.
    #[error("it brings a key of its own, and only the keys of SIGNATURE_KEYS count")]
    OwnKey,
    /// It signs bytes and no statement.
    #[error("it holds no statement of an image")]
    NoStatement,
    /// None of the pinned keys made it.
    #[error("no key of SIGNATURE_KEYS made it: it is by another key, or it was changed")]
    OtherKey,
    /// It is about several images, or none.
    #[error("it names {0} subjects, not one")]
    Subjects(usize),
    /// It is about another digest.
    #[error("it is for {found}, and {wanted} was pulled")]
    Digest {
        /// As it is, cut and harmless.
        found: String,
        /// What was pulled.
        wanted: String,
    },
    /// It is about another repository.
    #[error("it is for the repository {found}, not for {wanted}")]
    Repository {
        /// As it is, cut and harmless.
        found: String,
        /// Where the image was pulled from.
        wanted: String,
    },
    /// It does not say for which tag or environment it was made.
    #[error("it has no annotation `{0}`")]
    NoAnnotation(&'static str),
    /// It was made for another tag or environment.
    #[error("its annotation `{name}` is {found}, not {wanted}")]
    Annotation {
        /// Which one.
        name: &'static str,
        /// As it is, cut and harmless.
        found: String,
        /// As it must be.
        wanted: String,
    },
}

impl Refusal {
    pub(super) fn unreadable(what: &'static str, why: &dyn std::fmt::Display) -> Self {
        let why = harmless(&why.to_string());
        Self::Unreadable { what, why }
    }

    /// Takes what is exactly `wanted`.
    pub(super) fn unless(
        what: &'static str,
        found: &str,
        wanted: &'static str,
    ) -> Result<(), Self> {
        if found == wanted {
            return Ok(());
        }
        let found = harmless(found);
        Err(Self::Type {
            what,
            found,
            wanted,
        })
    }
}

/// Whether showing it could move a cursor or turn text around.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Foreign text for a reason: cut, in one line, and nothing in it that a terminal obeys.
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(LONGEST_QUOTE)
        .map(|c| if is_obeyed(c) { '?' } else { c })
        .collect();
    if text.chars().nth(LONGEST_QUOTE).is_some() {
        shown.push('…');
    }
    if shown.is_empty() {
        shown.push_str("empty");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn foreign_text_is_cut_and_moves_no_cursor() {
        assert_eq!(harmless("a\u{1b}[2J\n\u{202e}b"), "a?[2J??b");
        assert_eq!(harmless(""), "empty");
        let long = harmless(&"ä".repeat(1000));
        assert_eq!(long.chars().count(), 161);
        assert!(long.ends_with('…'));
    }
}
