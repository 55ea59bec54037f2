//! Integration tests: one crate, one harness; see `tests/README.md`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access_assertion;
mod access_http;
mod access_keys;
mod access_settings;
mod access_support;
mod access_token;
mod architecture;
mod causes;
mod clock;
mod command_line;
mod counters;
mod credentials;
mod examples;
mod faults;
mod fuzz_corpus;
mod harness;
mod heartbeat;
mod host_bounds;
mod host_files;
mod hostile_http;
mod http_codes;
mod kills;
mod local;
mod metrics;
mod moving;
mod old_host;
mod oracle;
mod package;
mod pages;
mod podman;
mod remote_engine;
#[macro_use]
mod scenarios;
mod signatures;
mod soak;
mod supply_chain;
mod systemd;
mod trail;
mod who;
