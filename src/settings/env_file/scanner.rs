//! The state machine: bytes to statements, state for state as systemd goes through them.

use super::statement::{Assignment, CommentEscape, Statement, Traits};
use super::trimmed::{Trimmed, blank};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeName,
    Name,
    /// After `=`, and again after each closing quote.
    BeforeValue,
    Value,
    ValueEscape,
    SingleQuoted,
    DoubleQuoted,
    DoubleQuotedEscape,
    Comment,
    CommentEscape,
}

/// Goes through the bytes once.
pub(super) struct Scanner<'a> {
    rest: std::slice::Iter<'a, u8>,
    escape: CommentEscape,
    state: State,
    line: usize,
    /// The line in which the current statement begins.
    begun: usize,
    name: Trimmed,
    value: Trimmed,
    traits: Traits,
    ended: bool,
}

const fn newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8], escape: CommentEscape) -> Self {
        Self {
            rest: bytes.iter(),
            escape,
            state: State::BeforeName,
            line: 1,
            begun: 1,
            name: Trimmed::default(),
            value: Trimmed::default(),
            traits: Traits::default(),
            ended: false,
        }
    }

    fn step(&mut self, byte: u8) -> Option<Statement> {
        match self.state {
            State::BeforeName => self.before_name(byte),
            State::Name => return self.in_name(byte),
            State::BeforeValue | State::Value => return self.in_value(byte),
            State::ValueEscape => {
                self.state = State::Value;
                if !newline(byte) {
                    self.value.push_kept(byte);
                }
            }
            State::SingleQuoted if byte == b'\'' => self.state = State::BeforeValue,
            State::SingleQuoted => self.value.push_kept(byte),
            State::DoubleQuoted => self.double_quoted(byte),
            State::DoubleQuotedEscape => self.double_quoted_escape(byte),
            State::Comment if byte == b'\\' => self.state = State::CommentEscape,
            State::Comment if newline(byte) => self.state = State::BeforeName,
            State::Comment => {}
            State::CommentEscape => return self.comment_escape(byte),
        }
        None
    }

    fn before_name(&mut self, byte: u8) {
        if matches!(byte, b'#' | b';') {
            self.state = State::Comment;
        } else if !blank(byte) {
            self.state = State::Name;
            self.begun = self.line;
            self.name.push(byte);
        }
    }

    fn in_name(&mut self, byte: u8) -> Option<Statement> {
        if newline(byte) {
            self.state = State::BeforeName;
            self.name.take();
            return Some(Statement::Dropped { line: self.begun });
        }
        if byte == b'=' {
            self.state = State::BeforeValue;
        } else {
            self.name.push(byte);
        }
        None
    }

    fn in_value(&mut self, byte: u8) -> Option<Statement> {
        if newline(byte) {
            self.state = State::BeforeName;
            return Some(self.assignment());
        }
        let before = self.state == State::BeforeValue;
        match byte {
            b'\\' => {
                self.state = State::ValueEscape;
                self.value.keep_blanks();
            }
            b'\'' if before => self.state = State::SingleQuoted,
            b'"' if before => self.state = State::DoubleQuoted,
            _ if before && blank(byte) => {}
            _ => {
                self.traits.hash |= byte == b'#';
                self.traits.backtick |= byte == b'`' && self.value.is_empty();
                self.state = State::Value;
                self.value.push(byte);
            }
        }
        None
    }

    fn double_quoted(&mut self, byte: u8) {
        match byte {
            b'"' => self.state = State::BeforeValue,
            b'\\' => self.state = State::DoubleQuotedEscape,
            _ => self.value.push_kept(byte),
        }
    }

    /// As a shell does: only what needs an escape loses it, and an escaped line break goes with its backslash.
    fn double_quoted_escape(&mut self, byte: u8) {
        self.state = State::DoubleQuoted;
        match byte {
            b'"' | b'\\' | b'`' | b'$' => self.value.push_kept(byte),
            b'\n' => {}
            _ => {
                self.traits.newline_escape |= matches!(byte, b'n' | b'r');
                self.value.push_kept(b'\\');
                self.value.push_kept(byte);
            }
        }
    }

    fn comment_escape(&mut self, byte: u8) -> Option<Statement> {
        self.state = State::Comment;
        if !newline(byte) {
            return None;
        }
        if self.escape == CommentEscape::EndsWithLine {
            self.state = State::BeforeName;
        }
        Some(Statement::EscapedComment { line: self.line })
    }

    fn assignment(&mut self) -> Statement {
        Statement::Assignment(Assignment {
            line: self.begun,
            name: self.name.take(),
            value: self.value.take(),
            traits: std::mem::take(&mut self.traits),
        })
    }

    /// What the end of the file ends.
    fn end(&mut self) -> Option<Statement> {
        match self.state {
            State::BeforeName | State::Comment => None,
            State::CommentEscape => Some(Statement::EscapedComment { line: self.line }),
            State::Name => Some(Statement::Dropped { line: self.begun }),
            State::BeforeValue
            | State::Value
            | State::ValueEscape
            | State::SingleQuoted
            | State::DoubleQuoted
            | State::DoubleQuotedEscape => Some(self.assignment()),
        }
    }
}

impl Iterator for Scanner<'_> {
    type Item = Statement;

    fn next(&mut self) -> Option<Statement> {
        while let Some(byte) = self.rest.next() {
            let statement = self.step(*byte);
            self.line += usize::from(*byte == b'\n');
            if statement.is_some() {
                return statement;
            }
        }
        if self.ended {
            return None;
        }
        self.ended = true;
        self.end()
    }
}
