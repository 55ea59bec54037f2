//! The pages name what is there: links lead somewhere, settings are settings.

use std::path::{Path, PathBuf};

use deploy_agent::settings::names::NAMES;

const PAGES: [&str; 9] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "deploy/README.md",
    "deploy/moving.md",
    "deploy/tunnel/README.md",
    "examples/README.md",
    "examples/measure/README.md",
    "tests/README.md",
];
/// Past this a stranger does not read it.
const README_WORDS: usize = 1800;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &Path) -> String {
    std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let parts = text.split("](").skip(1);
    parts
        .filter_map(|part| Some(part.split_once(')')?.0.to_owned()))
        .collect()
}

/// Headings as GitHub makes anchors of them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            });
            kept.collect()
        })
        .collect()
}

#[test]
fn every_relative_link_of_a_page_leads_somewhere() {
    let mut followed = 0;
    for page in PAGES {
        let path = root().join(page);
        for link in links(&read(&path)) {
            if link.contains("://") {
                continue;
            }
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().expect("a folder").join(file),
            };
            assert!(target.exists(), "{page} links to {link}");
            assert!(
                anchor.is_empty() || anchors(&read(&target)).iter().any(|known| known == anchor),
                "{page} links to {link}"
            );
        }
    }
    assert!(followed > 10, "{followed} links");
}

#[test]
fn the_settings_of_the_page_are_the_settings_of_the_agent() {
    let page = read(&root().join("deploy/README.md"));
    for name in NAMES {
        assert!(page.contains(name), "{name} is in no page");
    }
    let table = page.split("\n## Settings\n").nth(1).expect("a section");
    let table = table.split("\n## ").next().expect("a section");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut named = 0;
    for cell in cells.filter_map(|line| line.split('|').next()) {
        let words = cell.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        for word in words.filter(|word| word.len() > 3 && !word.ends_with('_')) {
            named += 1;
            assert!(NAMES.contains(&word), "{word} is no setting");
        }
    }
    assert!(named > 15, "{named} settings");
}

#[test]
fn the_readme_is_short() {
    let words = read(&root().join("README.md")).split_whitespace().count();
    assert!(words <= README_WORDS, "{words} words");
}
