//! What is wrong with one line.

use std::fmt;

/// One line that is not what it seems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// Counted from 1.
    pub line: usize,
    /// The variable, where it matters only if that variable is the agent's.
    pub variable: Option<String>,
    /// What is wrong; repeats nothing of the line, which may be a secret.
    pub message: &'static str,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} {}", self.line, self.message)
    }
}
