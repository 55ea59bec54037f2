//! The house stands as `lib.rs` draws it: foreign crates stay in their rooms, and the files stay readable.

use std::path::{Path, PathBuf};

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
fn foreign_crates_stay_in_their_rooms() {
    for (word, rooms) in [
        ("bollard::", &["engine/"][..]),
        ("actix_web::", &["http/"]),
        ("actix::", &["actor.rs", "agent.rs", "cli/serve.rs"]),
        ("sd_notify::", &["systemd.rs"]),
        ("clap::", &["cli.rs", "cli/", "main.rs"]),
        ("jsonwebtoken::", &["access/"]),
    ] {
        let users = users_of(word);
        assert!(!users.is_empty(), "{word} is used somewhere");
        for user in users {
            assert!(
                rooms.iter().any(|room| user.starts_with(room)),
                "{word} in {user}"
            );
        }
    }
}

#[test]
fn imports_go_down_only() {
    let above = [
        (
            "domain/",
            &[
                "crate::engine",
                "crate::operation",
                "crate::actor",
                "crate::agent",
                "crate::http",
                "crate::audit",
                "crate::settings",
            ][..],
        ),
        (
            "engine/",
            &[
                "crate::operation",
                "crate::actor",
                "crate::agent",
                "crate::http",
                "crate::audit",
            ],
        ),
        (
            "audit/",
            &[
                "crate::engine",
                "crate::operation",
                "crate::actor",
                "crate::agent",
                "crate::http",
            ],
        ),
        (
            "operation/",
            &["crate::actor", "crate::agent", "crate::http", "crate::cli"],
        ),
        ("actor.rs", &["crate::agent", "crate::http", "crate::cli"]),
        ("agent.rs", &["crate::http", "crate::cli"]),
        ("http/", &["crate::cli"]),
    ];
    for (room, forbidden) in above {
        for word in forbidden {
            let users = users_of(word);
            let wrong: Vec<_> = users.iter().filter(|user| user.starts_with(room)).collect();
            assert!(wrong.is_empty(), "{word} is above {wrong:?}");
        }
    }
}
