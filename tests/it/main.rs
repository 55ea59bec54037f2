//! Integration tests: one crate, one harness; see `README.md`, section "Tests".

mod access_settings;
mod access_support;
mod access_token;
