//! Reads variables one by one and remembers every problem, so that all are reported at once.

use std::path::PathBuf;
use std::time::Duration;

use super::problem::Problem;

/// A view of the variables that collects problems instead of stopping at the first.
pub(super) struct Reader<'a> {
    source: &'a config::Config,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// `problems` are those that the source of the variables has already.
    pub(super) fn new(source: &'a config::Config, problems: Vec<Problem>) -> Self {
        Self { source, problems }
    }

    /// The value of a variable as it is written, be it empty.
    pub(super) fn raw(&self, variable: &str) -> Option<String> {
        self.source.get_string(&variable.to_lowercase()).ok()
    }

    /// The value of a variable; empty counts as unset.
    pub(super) fn text(&self, variable: &str) -> Option<String> {
        self.raw(variable).filter(|value| !value.is_empty())
    }

    pub(super) fn problem(&mut self, variable: &str, message: impl ToString) {
        self.problems.push(Problem {
            variable: variable.to_owned(),
            message: message.to_string(),
        });
    }

    /// A variable that must be set.
    pub(super) fn required<T, E: ToString>(
        &mut self,
        variable: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.text(variable) {
            None => {
                self.problem(variable, "is required");
                None
            }
            Some(text) => self.parsed(variable, &text, parse),
        }
    }

    /// A variable without a default.
    pub(super) fn optional<T, E: ToString>(
        &mut self,
        variable: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(variable)?;
        self.parsed(variable, &text, parse)
    }

    /// A variable with a default.
    pub(super) fn or<T, E: ToString>(
        &mut self,
        variable: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        match self.text(variable) {
            None => default,
            // The default stands in only until the problems are reported.
            Some(text) => self.parsed(variable, &text, parse).unwrap_or(default),
        }
    }

    fn parsed<T, E: ToString>(
        &mut self,
        variable: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(variable, error.to_string());
                None
            }
        }
    }

    /// Whole seconds within bounds.
    pub(super) fn seconds(
        &mut self,
        variable: &str,
        default: u64,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_secs(self.or(variable, default, |text| within(text, &bounds)))
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &mut self,
        variable: &str,
        default: u64,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> u64 {
        self.or(variable, default, |text| within(text, &bounds))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, variable: &str, default: bool) -> bool {
        self.or(variable, default, |text| {
            text.parse().map_err(|_| "must be true or false")
        })
    }

    /// An absolute path.
    pub(super) fn path(&mut self, variable: &str, default: PathBuf) -> PathBuf {
        self.or(variable, default, absolute)
    }
}

/// An absolute path without `..`.
pub(super) fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    let climbs = path
        .components()
        .any(|part| part == std::path::Component::ParentDir);
    if path.is_absolute() && !climbs {
        Ok(path)
    } else {
        Err("must be an absolute path without ..")
    }
}

fn within(text: &str, bounds: &std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let number = text
        .parse::<u64>()
        .ok()
        .filter(|number| bounds.contains(number));
    number.ok_or_else(|| {
        format!(
            "must be a whole number from {} to {}",
            bounds.start(),
            bounds.end()
        )
    })
}
