//! Bounds of text that others chose, and the escaping of what a terminal would obey.

use std::io;

use serde::{Serialize, Serializer};

/// Names and ids: operations, steps, kinds.
const NAME: usize = 128;
/// References, ids of containers and images, headers.
const SHORT: usize = 512;
/// Sentences.
const LONG: usize = 2048;
/// How many names of a fingerprint are listed; the fingerprint itself covers all.
const NAMES: usize = 256;

/// The longest prefix of `text` of at most `limit` bytes, with a mark when something is missing.
fn cut(text: &str, limit: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= limit {
        return text.into();
    }
    let end = (0..=limit)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    format!("{}…", &text[..end]).into()
}

macro_rules! bounded {
    ($name:ident, $limit:expr) => {
        pub(super) fn $name<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_str(&cut(text, $limit))
        }
        pub(super) mod $name {
            pub(in crate::audit) fn opt<S: serde::Serializer>(
                text: &Option<String>,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                match text {
                    Some(text) => super::$name(text, to),
                    None => to.serialize_none(),
                }
            }
        }
    };
}
bounded!(name, NAME);
bounded!(short, SHORT);
bounded!(long, LONG);

pub(super) fn names<S: Serializer>(all: &[String], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(all.iter().take(NAMES).map(|one| cut(one, NAME)))
}

/// JSON in one line with every control character escaped, also those that JSON itself would let
/// through (DEL, C1) and the marks that turn the direction of text: a trail is read in terminals.
pub(super) fn to_json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(512);
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut json, Escaping,
    ))?;
    Ok(json)
}

struct Escaping;

impl serde_json::ser::Formatter for Escaping {
    fn write_string_fragment<W>(&mut self, to: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut plain = 0;
        for (at, character) in fragment
            .char_indices()
            .filter(|(_, c)| obeyed_by_terminals(*c))
        {
            to.write_all(&fragment.as_bytes()[plain..at])?;
            write!(to, "\\u{:04x}", u32::from(character))?;
            plain = at + character.len_utf8();
        }
        to.write_all(&fragment.as_bytes()[plain..])
    }
}

/// Whether showing `character` could move a cursor or turn text around. All of them are below
/// U+10000, so four digits are enough.
pub(crate) fn obeyed_by_terminals(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
