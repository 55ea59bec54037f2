//! Integration tests: one crate, one harness; see `README.md`, section "Tests".

mod access_settings;
mod access_support;
mod access_token;
mod architecture;
mod command_line;
mod harness;
mod http_codes;
mod old_host;
mod oracle;
mod scenarios;
