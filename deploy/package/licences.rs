//! The licence texts of what is linked into the program: each text once, with everything that comes under it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use dreichor_test_support::crates::Crate;

/// How files with terms are called; whatever follows (`-MIT`, `.md`) does not matter.
const NAMES: [&str; 6] = [
    "LICENSE",
    "LICENCE",
    "COPYING",
    "NOTICE",
    "COPYRIGHT",
    "UNLICENSE",
];
/// Sources of another project inside a crate (the C library in aws-lc-sys) bring terms of their own, so many levels down.
const LEVELS: usize = 4;

/// All of it as one text.
///
/// # Errors
/// When a file of a crate cannot be read, or a crate neither brings a text nor names a licence that has one.
pub fn text(linked: &[Crate]) -> io::Result<String> {
    let mut holders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut out = String::from(
        "The program is linked with the packages below, each under the terms that it names.\n\n",
    );
    out.push_str(
        "Rust's standard library, by the Rust project's contributors: MIT OR Apache-2.0\n",
    );
    for one in linked.iter().filter(|one| one.source.is_some()) {
        let expression = one.licence.as_deref().unwrap_or("see its text");
        writeln!(out, "{} {}: {expression}", one.name, one.version).map_err(io::Error::other)?;
        for text in texts(one)? {
            holders.entry(text).or_default().insert(one.id());
        }
    }
    for (text, holders) in holders {
        let names: Vec<String> = holders.into_iter().collect();
        let line = "-".repeat(78);
        writeln!(out, "\n{line}\n{}\n{line}\n\n{text}", names.join(", "))
            .map_err(io::Error::other)?;
    }
    Ok(out)
}

/// The texts that a crate brings; those of the licences that it names, if it brings none.
fn texts(one: &Crate) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    find(&one.directory, LEVELS, &mut files)?;
    files.sort();
    let brought: Vec<String> = files
        .iter()
        .map(|file| read(file))
        .collect::<io::Result<_>>()?;
    if brought.is_empty() {
        named(one)
    } else {
        Ok(brought)
    }
}

fn read(file: &Path) -> io::Result<String> {
    let bytes = std::fs::read(file)?;
    Ok(String::from_utf8_lossy(&bytes)
        .replace('\r', "")
        .trim()
        .to_owned())
}

fn find(directory: &Path, levels: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        let kind = entry.file_type()?;
        if kind.is_dir() && levels > 0 {
            find(&entry.path(), levels - 1, found)?;
        } else if kind.is_file() && is_terms(&name) {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// `LICENSE-MIT`, not `licenses.rs`.
fn is_terms(name: &str) -> bool {
    let source = [".RS", ".C", ".H", ".PY", ".GO", ".TOML"];
    NAMES.iter().any(|start| name.starts_with(start))
        && !source.iter().any(|end| name.ends_with(end))
}

fn named(one: &Crate) -> io::Result<Vec<String>> {
    let expression = one.licence.as_deref().unwrap_or_default();
    let parsed = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX);
    let parsed = parsed.map_err(|error| io::Error::other(format!("{}: {error}", one.id())))?;
    let texts: Vec<String> = parsed
        .requirements()
        .filter_map(|asked| asked.req.license.id())
        .map(|id| format!("{}\n\n{}", id.full_name, id.text().trim()))
        .collect();
    if texts.is_empty() {
        return Err(io::Error::other(format!(
            "{} brings no licence text and names none",
            one.id()
        )));
    }
    Ok(texts)
}
