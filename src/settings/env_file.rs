//! The settings file, read exactly as systemd reads `EnvironmentFile=`: what the unit's process would get, and every
//! line that systemd drops without a word or that Node's dotenv, which read the file before, took otherwise.
//!
//! Source: `parse_env_file_internal`, `load_env_file_push` and `strv_env_clean` of systemd 249 to 262. They differ in
//! one place only, [`CommentEscape`]. A test holds the reader to the systemd of a booted host.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::Path;

pub use super::env_scan::CommentEscape;
use super::env_scan::{Assignment, Scanner, Statement, Traits};

/// More than any settings file has, and less than the kernel takes for an environment.
pub const LARGEST: usize = 1024 * 1024;

/// A settings file as systemd takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvFile {
    /// The variables that reach the process, the last assignment of each name.
    pub variables: HashMap<String, String>,
    /// Lines that are not what they seem, in order.
    pub problems: Vec<LineProblem>,
}

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

impl std::fmt::Display for LineProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} {}", self.line, self.message)
    }
}

/// The bytes of a settings file.
///
/// # Errors
/// It is not a regular file (opening a pipe would wait for its writer), cannot be read, or is larger than [`LARGEST`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    std::fs::File::open(path)?
        .take(most + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Takes a file's bytes apart.
///
/// # Errors
/// systemd refuses the whole file, and the unit with it: a NUL byte, or an assignment that is not UTF-8.
pub fn parse(bytes: &[u8], escape: CommentEscape) -> Result<EnvFile, LineProblem> {
    if bytes.len() > LARGEST {
        return Err(whole_file(
            bytes,
            LARGEST,
            "is past the first MiB: the file is too large",
        ));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(whole_file(
            bytes,
            at,
            "holds a NUL byte: systemd refuses the whole file",
        ));
    }
    let mut found = EnvFile::default();
    // A name that is assigned again counts with its last line only, and so do the problems of its value.
    let mut values: BTreeMap<String, Vec<LineProblem>> = BTreeMap::new();
    for statement in Scanner::new(bytes, escape) {
        match statement {
            Statement::Dropped { line } => found.problems.push(LineProblem {
                line,
                variable: None,
                message: "has no =: systemd ignores it",
            }),
            Statement::EscapedComment { line } => found.problems.push(LineProblem {
                line,
                variable: None,
                message: "is a comment that ends in a backslash: systemd before 254 takes the next line for a part of it",
            }),
            Statement::Assignment(assignment) => take(assignment, &mut found, &mut values)?,
        }
    }
    found.problems.extend(values.into_values().flatten());
    found.problems.sort_by_key(|problem| problem.line);
    Ok(found)
}

fn whole_file(bytes: &[u8], at: usize, message: &'static str) -> LineProblem {
    let before = bytes.get(..at).unwrap_or(bytes);
    LineProblem {
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        variable: None,
        message,
    }
}

fn take(
    assignment: Assignment,
    found: &mut EnvFile,
    values: &mut BTreeMap<String, Vec<LineProblem>>,
) -> Result<(), LineProblem> {
    let Assignment {
        line,
        name,
        value,
        traits,
    } = assignment;
    let refused = || LineProblem {
        line,
        variable: None,
        message: "is not valid UTF-8: systemd refuses the whole file",
    };
    let name = text(name).ok_or_else(refused)?;
    let value = text(value).ok_or_else(refused)?;
    if let Some(message) = wrong_name(&name) {
        found.problems.push(LineProblem {
            line,
            variable: None,
            message,
        });
        return Ok(());
    }
    let told = otherwise_to_dotenv(&traits).map(|message| LineProblem {
        line,
        variable: Some(name.clone()),
        message,
    });
    values.insert(name.clone(), told.collect());
    found.variables.insert(name, value);
    Ok(())
}

/// UTF-8 as systemd means it: without the code points that Unicode sets aside as noncharacters.
fn text(bytes: Vec<u8>) -> Option<String> {
    let noncharacter = |c: char| {
        let code = u32::from(c);
        (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
    };
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.chars().any(noncharacter))
}

/// systemd takes the names that bash takes, and drops an assignment to any other.
fn wrong_name(name: &str) -> Option<&'static str> {
    let valid = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if valid(name) {
        None
    } else if name.starts_with('\u{feff}') {
        Some("begins with a byte order mark: systemd drops the whole line")
    } else if name.starts_with("export ") || name.starts_with("export\t") {
        Some("begins with export: systemd drops the whole line")
    } else if name.contains(['.', '-']) {
        Some("has a name with a dot or a dash: systemd drops the whole line")
    } else {
        Some("does not begin with a variable name: systemd drops the whole line")
    }
}

fn otherwise_to_dotenv(traits: &Traits) -> impl Iterator<Item = &'static str> {
    let Traits {
        hash,
        backtick,
        newline_escape,
    } = *traits;
    [
        (
            hash,
            "has a # outside of quotes: systemd takes it for a part of the value, dotenv began a comment there; put the value in quotes, or the comment on a line of its own",
        ),
        (
            backtick,
            "has a value in backticks: systemd takes them for a part of the value",
        ),
        (
            newline_escape,
            "has \\n or \\r in double quotes: systemd keeps the two characters, dotenv made a line break of them",
        ),
    ]
    .into_iter()
    .filter_map(|(there, message)| there.then_some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> EnvFile {
        parse(text.as_bytes(), CommentEscape::JoinsNextLine).expect("taken")
    }

    fn value(text: &str) -> Option<String> {
        read(text).variables.remove("A")
    }

    fn problem(text: &str) -> String {
        let problems = read(text).problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].to_string()
    }

    #[test]
    fn values_are_read_as_systemd_reads_them() {
        for (text, expected) in [
            ("A=1\n", "1"),
            ("A=1", "1"),
            ("  A = 1  \n", "1"),
            ("A=\n", ""),
            ("A=\"x  y\"  \n", "x  y"),
            ("A='x'\"y\"z w \n", "xyz w"),
            ("A=x'y'\n", "x'y'"),
            ("A=x\\ty\\\\ \\\n z\n", "xty\\  z"),
            ("A=\"x\\\"\\$\\`\\\\\\q\"\n", "x\"$`\\\\q"),
            ("A=\"x\\\ny\nz\"\n", "xy\nz"),
            ("A='x\\\ny'\n", "x\\\ny"),
            ("A=1\r\nB=2\r\n", "1"),
            ("A=\"open\n", "open\n"),
            ("A=1\nA=2\n", "2"),
            ("A=b=c\n", "b=c"),
            ("# c \\\nB=1\nA=2\n", "2"),
        ] {
            assert_eq!(value(text).as_deref(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn a_comment_that_ends_in_a_backslash_is_named_and_read_as_each_systemd_reads_it() {
        let text = "# c \\\nA=1\nB=2\n";
        assert!(problem(text).starts_with("line 1 is a comment that ends in a backslash"));
        assert_eq!(value(text), None);
        let later = parse(text.as_bytes(), CommentEscape::EndsWithLine).expect("taken");
        assert_eq!(later.variables.get("A").map(String::as_str), Some("1"));
        assert_eq!(later.problems.len(), 1);
    }

    #[test]
    fn what_systemd_drops_is_named_by_its_line() {
        for (text, part) in [
            ("export A=1\n", "line 1 begins with export"),
            ("\u{feff}A=1\n", "line 1 begins with a byte order mark"),
            ("\n# c\nA.B=1\n", "line 3 has a name with a dot"),
            ("secret\n", "line 1 has no ="),
            ("1A=secret\n", "line 1 does not begin with a variable name"),
            ("=1\n", "line 1 has no ="),
        ] {
            let said = problem(text);
            assert!(said.starts_with(part), "{said}");
            assert_eq!(value(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_dotenv_read_otherwise_is_named_by_its_line() {
        for (text, part) in [
            ("A=1 # c\n", "line 1 has a #"),
            ("A=\"1\" # c\n", "line 1 has a #"),
            ("B=\"x\ny\"\nA=`1`\n", "line 3 has a value in backticks"),
            ("A=\"x\\ny\"\n", "line 1 has \\n or \\r"),
        ] {
            let said = problem(text);
            assert!(said.starts_with(part), "{said}");
        }
        assert_eq!(read("A=\"1 # 2\"\nB='x\\ny'\n").problems, []);
    }

    #[test]
    fn a_line_that_a_later_one_replaces_is_no_problem() {
        assert_eq!(read("A=1 # c\nA=1\n").problems, []);
    }

    #[test]
    fn bytes_that_systemd_refuses_are_refused() {
        for bytes in [
            &b"A=1\0\n"[..],
            b"B=1\nA=\xff\n",
            b"A=\xed\xa0\x80\n",
            "A=\u{fffe}\n".as_bytes(),
        ] {
            parse(bytes, CommentEscape::JoinsNextLine).expect_err("refused");
        }
        // Where systemd does not look, it does not refuse.
        assert_eq!(
            parse(b"# \xff\nA=1\n", CommentEscape::JoinsNextLine)
                .expect("taken")
                .variables
                .len(),
            1
        );
    }
}
