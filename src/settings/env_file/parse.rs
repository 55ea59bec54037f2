//! From the bytes of a settings file to its variables and the lines that are not what they seem.

use std::collections::{BTreeMap, HashMap};

use super::line_problem::LineProblem;
use super::read::MAX_BYTES;
use super::scanner::Scanner;
use super::statement::{Assignment, CommentEscape, Statement, Traits};

/// A settings file as systemd takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvFile {
    /// The variables that reach the process, the last assignment of each name.
    pub variables: HashMap<String, String>,
    /// Lines that are not what they seem, in order.
    pub problems: Vec<LineProblem>,
}

/// Takes a file's bytes apart.
///
/// # Errors
/// systemd refuses the whole file, and the unit with it: a NUL byte, or an assignment that is not UTF-8.
pub fn parse(bytes: &[u8], escape: CommentEscape) -> Result<EnvFile, LineProblem> {
    if bytes.len() > MAX_BYTES {
        return Err(whole_file(
            bytes,
            MAX_BYTES,
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
    let not_utf8 = || LineProblem {
        line,
        variable: None,
        message: "is not valid UTF-8: systemd refuses the whole file",
    };
    let name = text(name).ok_or_else(not_utf8)?;
    let value = text(value).ok_or_else(not_utf8)?;
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
