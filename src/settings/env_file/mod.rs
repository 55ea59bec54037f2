//! The settings file, read exactly as systemd reads `EnvironmentFile=`: what the unit's process would get, and every
//! line that systemd drops without a word or that Node's dotenv, which read the file before, took otherwise.
//!
//! Source: `parse_env_file_internal`, `load_env_file_push` and `strv_env_clean` of systemd 249 to 262. They differ in
//! one place only, [`CommentEscape`]. A test holds the reader to the systemd of a booted host.

mod line_problem;
mod parse;
mod read;
mod scanner;
mod statement;
#[cfg(test)]
mod tests;
mod trimmed;

pub use line_problem::LineProblem;
pub use parse::{EnvFile, parse};
pub use read::{MAX_BYTES, read};
pub use statement::CommentEscape;
