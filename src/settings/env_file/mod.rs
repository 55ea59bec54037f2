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

use std::path::Path;

pub use line_problem::LineProblem;
pub use parse::{EnvFile, parse};
pub use read::{MAX_BYTES, read};
pub use statement::CommentEscape;

/// Reads and parses a settings file, for those to whom a comment that ends in a backslash is a problem either way.
///
/// # Errors
/// In words: the file cannot be read, or systemd would reject it as a whole.
pub fn load(path: &Path) -> Result<EnvFile, String> {
    let bytes = read(path).map_err(|error| error.to_string())?;
    parse(&bytes, CommentEscape::EndsWithLine).map_err(|line| line.to_string())
}
