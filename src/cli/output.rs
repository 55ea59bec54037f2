//! How a command that only prints ends.

use std::io::{self, IsTerminal, Write};

use crate::audit::obeyed_by_terminals;
use crate::exit::Exit;

/// A line on standard output. Whoever closed it does not want to read it, and changes no exit status.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($text)*).ok();
    }};
}

/// The same on standard error.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stderr(), $($text)*).ok();
    }};
}

pub(super) use {complain, say};

/// A reader that has seen enough (`| head`) is no failure.
pub(super) fn exit(result: io::Result<Exit>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => {
            complain!("{error}");
            Exit::Failed
        }
    }
}

/// Foreign words, without what a terminal would obey.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if obeyed_by_terminals(c) { ' ' } else { c })
        .collect()
}

/// A line that tells how far something is, in the place of the one before where there is a terminal.
#[derive(Default)]
pub(super) struct ProgressLine {
    shown: bool,
}

impl ProgressLine {
    /// Shows it on standard error.
    pub(super) fn show(&mut self, text: &str) {
        let mut out = io::stderr();
        let text = harmless(text);
        // Whoever closed it does not want to read it.
        if out.is_terminal() {
            self.shown = true;
            write!(out, "\r\u{1b}[K{text}").ok();
        } else {
            writeln!(out, "{text}").ok();
        }
    }

    /// Makes room for what comes behind it.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.shown) {
            writeln!(io::stderr()).ok();
        }
    }
}
