//! The one reader of lines: a file that others may have spoilt is never waited for and never read into memory whole.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use super::hash::sha256;
use super::record::{Line, NotARecord};
use super::regular::read_bounded;

/// No record is longer: its texts are bounded when it is written.
pub(super) const LONGEST_LINE: u64 = 1024 * 1024;
const BUFFER: usize = 256 * 1024;

/// Reads a file of the trail line by line.
pub(crate) struct LineReader {
    source: BufReader<File>,
    /// Where the present line begins, and the one that follows.
    begin: u64,
    end: u64,
    line: Vec<u8>,
}

/// A line as it stands in the file: its bytes with the newline, at most [`LONGEST_LINE`] of them.
#[derive(Clone, Copy)]
pub(crate) struct RawLine<'l>(&'l [u8]);

impl LineReader {
    /// Reads `file` from its beginning.
    pub(crate) fn new(mut file: File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        Ok(Self {
            source: BufReader::with_capacity(BUFFER, file),
            begin: 0,
            end: 0,
            line: Vec::new(),
        })
    }

    /// The next line; `None` at the end of the file. Behind a line that is too long there is nothing to read: it may have
    /// no end.
    pub(crate) fn next(&mut self) -> io::Result<Option<RawLine<'_>>> {
        self.begin = self.end;
        self.line.clear();
        let length = (&mut self.source)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut self.line)? as u64;
        self.end += length;
        let bytes = &self.line[..];
        Ok((length > 0).then_some(RawLine(bytes)))
    }

    /// Goes back to where the present line begins, to read it again when it is complete.
    pub(crate) fn read_again(&mut self) -> io::Result<()> {
        self.end = self.begin;
        self.source.seek(SeekFrom::Start(self.begin)).map(drop)
    }

    /// The file that is read.
    pub(crate) fn file(&self) -> &File {
        self.source.get_ref()
    }
}

impl<'l> RawLine<'l> {
    /// Whether the file ends before the line does, within the length of a record.
    pub(crate) fn is_unfinished(self) -> bool {
        !self.0.ends_with(b"\n") && self.length() < LONGEST_LINE
    }

    /// How many bytes it has.
    pub(super) fn length(self) -> u64 {
        self.0.len() as u64
    }

    /// The record it holds.
    ///
    /// # Errors
    /// It is none, or of another version of the format.
    pub(crate) fn record(self) -> Result<Line<'l>, NotARecord> {
        if self.is_unfinished() {
            return Err(NotARecord::NoEnd(self.length()));
        }
        if !self.0.ends_with(b"\n") {
            return Err(NotARecord::TooLong);
        }
        Line::parse(self.0)
    }

    /// What the record after it has as `prev`.
    pub(super) fn hash(self) -> String {
        sha256(self.0)
    }

    /// Its bytes, newline included.
    pub(crate) fn bytes(self) -> &'l [u8] {
        self.0
    }
}

/// The last line of `file`, found from its end; `None` when it is empty.
pub(super) fn last_line(mut file: &File) -> io::Result<Option<Vec<u8>>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_LINE)))?;
    let mut end = read_bounded(file, LONGEST_LINE)?;
    let body = end.strip_suffix(b"\n").unwrap_or(&end);
    let start = body
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    Ok((length > 0).then(|| end.split_off(start)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn reader(bytes: &[u8]) -> LineReader {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        LineReader::new(file).expect("readable")
    }

    #[test]
    fn a_line_longer_than_any_record_is_none_and_half_a_line_is_read_again() {
        let mut short = reader(b"short\nhalf");
        let first = short.next().expect("read").expect("a line");
        assert_eq!(first.bytes(), b"short\n");
        let half = short.next().expect("read").expect("a line");
        assert!(half.is_unfinished());
        assert!(matches!(half.record(), Err(NotARecord::NoEnd(4))));
        short.read_again().expect("sought");
        assert_eq!(
            short.next().expect("read").expect("a line").bytes(),
            b"half"
        );
        assert!(short.next().expect("read").is_none());
        let longest = usize::try_from(LONGEST_LINE).expect("small");
        let mut long = reader(&vec![b'x'; longest + 7]);
        let line = long.next().expect("read").expect("a line");
        assert!(!line.is_unfinished());
        assert!(matches!(line.record(), Err(NotARecord::TooLong)));
    }
}
