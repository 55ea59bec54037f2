//! The layers stand as `lib.rs` draws it: foreign crates stay in their folders, and the files stay readable.

mod fixtures;
mod imports;
mod scan;
mod tokens;

use std::path::{Path, PathBuf};

use imports::Imports;

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found
}

/// Files below `src` that name this path, without the file name's ending.
fn users_of(word: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut users: Vec<String> = sources(&root)
        .into_iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).expect("text");
            text.lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .any(|line| line.contains(word))
        })
        .map(|path| {
            path.strip_prefix(&root)
                .expect("below")
                .display()
                .to_string()
        })
        .collect();
    users.sort();
    users
}

#[test]
fn foreign_crates_stay_in_their_folders() {
    for (word, folders) in [
        ("bollard::", &["engine/"][..]),
        ("actix_web::", &["http/"]),
        ("actix_http::", &["http/"]),
        ("actix_service::", &["http/"]),
        (
            "actix::",
            &["actor.rs", "agent.rs", "serve.rs", "cli/serve.rs"],
        ),
        ("sd_notify::", &["systemd.rs"]),
        ("listenfd::", &["systemd.rs"]),
        ("clap::", &["cli.rs", "cli/", "main.rs"]),
        ("jsonwebtoken::", &["access/"]),
    ] {
        let users = users_of(word);
        assert!(!users.is_empty(), "{word} is used somewhere");
        for user in users {
            assert!(
                folders.iter().any(|room| user.starts_with(room)),
                "{word} in {user}"
            );
        }
    }
}

/// The layers, from the top down: a row imports from the rows below it, and never from its own but for its own files.
/// The leaves, `access`, `audit` and `signature`, import from the last row at most.
const LAYERS: [&[&str]; 15] = [
    &["main"],
    &["lib"],
    &["cli"],
    &["check", "prune", "serve"],
    &["http", "local", "metrics"],
    &["agent"],
    &["actor"],
    &["systemd"],
    &["overview"],
    &["operation"],
    &["runtime"],
    &["engine", "history", "logging", "registry"],
    &["credentials", "freeze", "settings"],
    &["audit", "access", "signature"],
    &["clock", "domain", "exit", "https", "way_out"],
];
/// They know nothing of the rest; the domain's words are everybody's.
const LEAVES: [&str; 3] = ["access", "audit", "signature"];

/// The module below the root that a file belongs to.
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().expect("a name")
}

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|row| row.contains(&module))
        .unwrap_or_else(|| panic!("{module} is in no layer: give it one"))
}

fn imports() -> Imports {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<(String, String)> = sources(&root)
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("text");
            let name = path.strip_prefix(&root).expect("below");
            (name.display().to_string(), text)
        })
        .collect();
    Imports::read(files.iter().map(|(file, text)| (&file[..], &text[..])))
}

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for (file, imported) in &imports().of {
        let from = module(file);
        for other in imported.iter().filter(|other| module(other) != from) {
            let to = module(other);
            let leaf = LEAVES.contains(&from) && layer(to) + 1 != LAYERS.len();
            if layer(to) <= layer(from) && to != "lib" || leaf {
                wrong.push(format!("{file} imports {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let imports = imports();
    let circles = imports.circles();
    let ties: Vec<_> = circles
        .iter()
        .map(|circle| imports.inside(circle))
        .collect();
    assert!(circles.is_empty(), "{circles:#?} {ties:#?}");
}
