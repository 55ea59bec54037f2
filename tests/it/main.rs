//! Integration tests: one crate, one harness; see `README.md`, section "Tests".

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access_assertion;
mod access_keys;
mod access_settings;
mod access_support;
mod access_token;
mod architecture;
mod command_line;
mod harness;
mod host_files;
mod http_codes;
mod old_host;
mod oracle;
mod scenarios;
