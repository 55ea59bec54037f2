//! Blanks the secrets of a set of variables in a text that may quote them.
//!
//! A value is a secret by its variable's name ([`name`]) or by its form ([`form`]): an address with a password, a key
//! block, a token, a long random string. Every other value is an ordinary word, `127.0.0.1` or `runtime`, and a text in
//! which those were blanked could no longer be read.

mod form;
mod name;
mod pattern;
mod secrets;
#[cfg(test)]
mod tests;
mod text;

pub(super) use secrets::Secrets;
pub use text::{blank_secrets, blank_secrets_but_ids, blank_values, shown_name, whole_words};
