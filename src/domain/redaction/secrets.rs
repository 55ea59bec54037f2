//! The secrets among a set of variables, and a text without them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::form::{is_id, is_jwt, is_plain, is_random, is_random_segment, is_word, passwords_of};
use super::name::says_secret;
use super::pattern::{Pattern, spellings};

/// Put before an address without a scheme, so that it is read as one with it.
const NO_SCHEME: &str = "any://";
/// What stands for a secret.
const BLANK: &str = "***";
/// In characters. A shorter secret is blanked only behind its name or in its address: it may also be a part of any word.
const SHORTEST: usize = 6;
/// What the digest of an image begins with. It is public, and belongs into messages.
const DIGEST: &str = "sha256:";
/// Parts of a path, past which no further end of it is tried: a value of slashes alone would take for ever.
const MAX_DEPTH: usize = 64;
/// In characters. A longer run of letters is no word of any text.
const LONGEST_WORD: usize = 12;

/// What is to be blanked. There is neither `Debug` nor `Display`.
pub(in crate::domain) struct Secrets {
    patterns: BTreeSet<Pattern>,
    /// Whether ids of containers, images and commits are none.
    keep_ids: bool,
}

impl Secrets {
    /// Of variables, given by name and value.
    pub(in crate::domain) fn of<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut secrets = Self::none(false);
        for (name, value) in variables {
            secrets.take_variable(name, value);
        }
        secrets
    }

    /// None yet.
    pub(super) fn none(keep_ids: bool) -> Self {
        Self {
            patterns: BTreeSet::new(),
            keep_ids,
        }
    }

    /// Blanks this value behind what stands before it, however short it is.
    pub(super) fn take_between(&mut self, before: &str, value: &str) {
        self.patterns.insert(Pattern::between(before, value, ""));
    }

    /// The text with every secret in it blanked; what overlaps or touches is blanked as one.
    pub(in crate::domain) fn blank(&self, text: &str) -> String {
        let mut ranges: Vec<_> = self.patterns.iter().flat_map(|p| p.find(text)).collect();
        ranges.sort_by_key(|range| range.start);
        let mut blanked = String::with_capacity(text.len());
        let mut end = None;
        for range in ranges {
            match end {
                Some(at) if range.start <= at => end = Some(range.end.max(at)),
                _ => {
                    blanked.push_str(&text[end.unwrap_or(0)..range.start]);
                    blanked.push_str(BLANK);
                    end = Some(range.end);
                }
            }
        }
        blanked.push_str(&text[end.unwrap_or(0)..]);
        blanked
    }

    fn take_variable(&mut self, name: &str, value: &str) {
        if says_secret(name, value) {
            self.take_named(name, value);
        }
        self.take_formed(value);
        match serde_json::from_str(value) {
            Ok(json @ (Value::Object(_) | Value::Array(_))) => self.take_json(name, &json),
            _ => self.take_parameters(value),
        }
    }

    /// A value that its name says is a secret: whole, each line, and each part that is more than a word.
    pub(super) fn take_named(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        for quote in ["", "\"", "'"] {
            self.take_between(&format!("{name}={quote}"), value);
        }
        self.take_secret(value);
        self.take_lines(value);
        if value.contains("://") {
            return;
        }
        if let Some((_, password)) = value.split_once(':') {
            self.take_secret(password);
        }
        let parts = value.split(|c: char| c.is_whitespace() || ",;".contains(c));
        for part in parts.filter(|part| !is_word(part)) {
            self.take_secret(part);
        }
    }

    /// What is a secret by its form.
    pub(super) fn take_formed(&mut self, value: &str) {
        // A password may hold what words are split at.
        self.take_addresses(value);
        for word in value.split(|c: char| c.is_whitespace() || "\"'".contains(c)) {
            self.take_addresses(word);
            if is_random(word) && !word.contains('/') && !word.contains(DIGEST) {
                self.take_secret(word);
            }
        }
        if value.contains("-----BEGIN ") {
            self.take_secret(value);
            self.take_lines(value);
        }
        let token = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        for jwt in value.split(|c| !token(c)).filter(|part| is_jwt(part)) {
            self.take_secret(jwt);
            jwt.split('.').for_each(|part| self.take_secret(part));
        }
        self.take_random(value);
    }

    /// Random strings inside of a value, with and without what base64 has besides letters and digits.
    fn take_random(&mut self, value: &str) {
        for (index, piece) in value.split(DIGEST).enumerate() {
            let hex = |c: char| index > 0 && c.is_ascii_hexdigit();
            let piece = piece.trim_start_matches(hex);
            let base64 = |c: char| c.is_ascii_alphanumeric() || "+/_-~".contains(c);
            for run in piece.split(|c| !base64(c)) {
                // Base64 has / too, so that a path may end in one anywhere.
                let slashes = run.match_indices('/').take(MAX_DEPTH);
                let suffixes = slashes.map(|(at, _)| &run[at + 1..]);
                let parts = std::iter::once(run).chain(suffixes).chain(run.split('/'));
                parts
                    .filter(|part| is_random(part))
                    .for_each(|part| self.take_secret(part));
                run.split(|c: char| !c.is_ascii_alphanumeric())
                    .filter(|segment| is_random_segment(segment))
                    .for_each(|segment| self.take_secret(segment));
            }
        }
    }

    /// Addresses with a password, one or several in a word; `user:password@` counts without a scheme too.
    pub(super) fn take_addresses(&mut self, word: &str) {
        for url in std::iter::once(word).chain(word.split(',')) {
            let scheme = if url.contains("://") { "" } else { NO_SCHEME };
            let full = format!("{scheme}{url}");
            for range in passwords_of(&full) {
                let (password, host) = (&full[range.clone()], &full[range.end + 1..]);
                // A reference of an image has the same form: repository:tag@sha256:…
                if !host.starts_with(DIGEST) {
                    self.patterns.insert(Pattern::between(":", password, "@"));
                    self.take_secret(password);
                    self.take_secret(url);
                }
            }
        }
    }

    /// Parameters inside of a value, `name=value` each: of a URL, of a connection string.
    pub(super) fn take_parameters(&mut self, value: &str) {
        for parameter in value.split(|c: char| c.is_whitespace() || "?&;,".contains(c)) {
            if let Some((name, value)) = parameter.split_once('=')
                && says_secret(name, value)
            {
                self.take_named(name, value);
            }
        }
    }

    fn take_json(&mut self, name: &str, json: &Value) {
        match json {
            Value::Object(fields) => {
                for (field, value) in fields {
                    self.take_json(field, value);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.take_json(name, value)),
            Value::String(value) => self.take_variable(name, value),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The lines of a value; a file of variables has no real ones, so that `\n` is written for them.
    fn take_lines(&mut self, value: &str) {
        let lines = value.split(['\n', '\r']).flat_map(|line| line.split("\\n"));
        for line in lines.filter(|line| !line.starts_with("-----")) {
            self.take_secret(line);
        }
    }

    fn take_secret(&mut self, secret: &str) {
        let bare = secret.trim().trim_matches(['"', '\'']);
        for secret in [secret, bare] {
            let kept = self.keep_ids && is_id(bare);
            if kept || secret.chars().count() < SHORTEST || bare.is_empty() || is_plain(bare) {
                continue;
            }
            if is_word(secret) && secret.len() < LONGEST_WORD {
                self.patterns.insert(Pattern::alone(secret));
                continue;
            }
            let spellings = spellings(secret);
            self.patterns
                .extend(spellings.iter().map(|text| Pattern::anywhere(text)));
        }
    }
}
