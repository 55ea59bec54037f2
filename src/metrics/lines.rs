//! Prometheus's text format: no timestamps, one HELP a name, the same for both environments, and labels of few values.

use std::fmt::Write;

/// A number of one name, with the labels behind the environment's.
pub(super) type Value<'a> = (Vec<(&'a str, &'a str)>, Option<f64>);

/// What was written so far.
pub(super) struct Lines {
    environment: String,
    text: String,
}

impl Lines {
    /// Nothing yet, of this environment.
    pub(super) fn of(environment: &str) -> Self {
        Self {
            environment: escaped(environment),
            text: String::new(),
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// One number. What is not known is left out.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.family(name, "gauge", help, [(Vec::new(), value)]);
    }

    /// The numbers of one name.
    pub(super) fn family<'a>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        values: impl IntoIterator<Item = Value<'a>>,
    ) {
        self.head(name, kind, help);
        for (labels, value) in values {
            self.line(name, "", &labels, value);
        }
    }

    /// Sums and counts.
    pub(super) fn summary<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (&'static str, Vec<(&'a str, &'a str)>, Option<f64>)>,
    ) {
        self.head(name, "summary", help);
        for (part, labels, value) in values {
            self.line(name, part, &labels, value);
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let head = format!("# HELP dreichor_{name} {help}\n# TYPE dreichor_{name} {kind}\n");
        self.text.push_str(&head);
    }

    fn line(&mut self, name: &str, part: &str, labels: &[(&str, &str)], value: Option<f64>) {
        let Some(value) = value else { return };
        let mut line = format!(
            "dreichor_{name}{part}{{environment=\"{}\"",
            self.environment
        );
        for (label, text) in labels {
            write!(line, ",{label}=\"{}\"", escaped(text)).expect("a string takes whatever comes");
        }
        self.text.push_str(&format!("{line}}} {value}\n"));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format knows only these numbers"
)]
pub(super) fn from_u64(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format knows only these numbers"
)]
pub(super) fn from_i64(number: i64) -> f64 {
    number as f64
}

pub(super) fn from_usize(number: usize) -> f64 {
    from_u64(u64::try_from(number).unwrap_or(u64::MAX))
}

pub(super) fn from_millis(millis: u64) -> f64 {
    from_u64(millis) / 1000.0
}
