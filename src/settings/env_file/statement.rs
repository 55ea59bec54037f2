//! What a settings file says, one statement after the other.

/// What a backslash at the end of a comment does. Such a comment is a problem in any case: an upgrade of systemd would
/// change what the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentEscape {
    /// The next line belongs to the comment: systemd before 254.
    JoinsNextLine,
    /// Nothing: systemd from 254 on.
    EndsWithLine,
}

/// One thing the file says, with the line it begins in, counted from 1.
pub(super) enum Statement {
    /// A name and a value.
    Assignment(Assignment),
    /// A line without `=`.
    Dropped { line: usize },
    /// A comment whose line ends in a backslash.
    EscapedComment { line: usize },
}

/// A name and a value, both as bytes: whether they are text is decided later.
pub(super) struct Assignment {
    pub(super) line: usize,
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) traits: Traits,
}

/// What a value was written with that other readers take otherwise.
#[derive(Default, Clone, Copy)]
pub(super) struct Traits {
    /// A `#` outside of quotes.
    pub(super) hash: bool,
    /// A backtick at its beginning.
    pub(super) backtick: bool,
    /// `\n` or `\r` in double quotes.
    pub(super) newline_escape: bool,
}
