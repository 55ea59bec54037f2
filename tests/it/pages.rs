//! The pages name what is there: links lead somewhere, settings are settings.

use std::path::{Path, PathBuf};

use deploy_agent::settings::names::NAMES;

const PAGES: [&str; 10] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "deploy/README.md",
    "deploy/moving.md",
    "deploy/tunnel/README.md",
    "examples/README.md",
    "examples/measure/README.md",
    "examples/signing.md",
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

/// The commands that `deploy-agent --help` lists.
fn commands() -> Vec<String> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .arg("--help")
        .output()
        .expect("the program");
    let help = String::from_utf8(output.stdout).expect("text");
    let listed = help.split("\nCommands:\n").nth(1).expect("a list");
    listed
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect()
}

#[test]
fn every_command_of_a_page_is_one_of_the_program_and_the_table_names_them_all() {
    let commands = commands();
    let mut named = 0;
    for page in PAGES {
        let text = read(&root().join(page));
        for after in text.split("deploy-agent ").skip(1) {
            let word: String = after
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect();
            // In prose the name stands before any word; a command stands in code.
            let code = after.split('\n').next().is_some_and(|line| {
                line.split('`')
                    .next()
                    .is_some_and(|rest| rest.len() < line.len())
            });
            if code && !word.is_empty() && !word.starts_with('-') {
                named += 1;
                assert!(commands.contains(&word), "{page}: deploy-agent {word}");
            }
        }
    }
    assert!(named >= commands.len() - 1, "{named} commands");
    let page = read(&root().join("deploy/README.md"));
    for command in commands.iter().filter(|command| *command != "help") {
        assert!(page.contains(&format!("\n| `{command}")), "{command}");
    }
}

#[test]
fn every_test_that_a_page_names_is_there_and_every_row_of_the_tests_needs_fits_one() {
    let mut sources = String::new();
    let mut paths = Vec::new();
    for file in crate::host_files::files_below(&root().join("tests/it")) {
        sources += &read(&root().join("tests/it").join(&file));
        paths.push(file.trim_end_matches(".rs").replace('/', "::"));
    }
    for page in PAGES {
        for line in read(&root().join(page)).lines() {
            let Some((_, filter)) = line.split_once("--test it ") else {
                continue;
            };
            let filter = filter.split_whitespace().next().expect("a filter");
            for part in filter.split("::") {
                assert!(
                    paths
                        .iter()
                        .any(|path| path.split("::").any(|name| name == part))
                        || sources.contains(&format!("mod {part} {{"))
                        || sources.contains(&format!("fn {part}")),
                    "{page}: {filter}"
                );
            }
        }
    }
    let table = read(&root().join("tests/needs"));
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    let mut followed = 0;
    for part in rows.filter_map(|line| line.split_whitespace().next()) {
        followed += 1;
        let (module, name) = part.rsplit_once("::").unwrap_or(("", part));
        let module = module.trim_start_matches("::");
        let known = paths
            .iter()
            .any(|path| path.trim_end_matches("::mod").ends_with(module));
        let inside = sources.contains(&format!("mod {module} {{"));
        assert!(module.is_empty() || known || inside, "{part}");
        assert!(name.is_empty() || sources.contains(name), "{part}");
    }
    assert!(followed > 15, "{followed} rows");
}

/// Every function of the tests, wherever it stands.
fn functions_of_tests() -> String {
    let mut all = String::new();
    for folder in ["src", "tests/it"] {
        let mut folders = vec![root().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("listed").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs") {
                    all.push_str(&read(&path));
                }
            }
        }
    }
    all
}

#[test]
fn every_row_of_the_threat_model_names_tests_that_exist() {
    let page = read(&root().join("deploy/README.md"));
    let section = page.split("\n## Threat model\n").nth(1).expect("a section");
    let section = section.split("\n## ").next().expect("its end");
    let tests = functions_of_tests();
    let mut rows = 0;
    for row in section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
    {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 4, "{row}");
        let names: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test holds: {row}");
        for name in names {
            assert!(tests.contains(&format!("fn {name}(")), "{name} is no test");
        }
        rows += 1;
    }
    assert!(rows >= 12, "{rows} rows");
}
