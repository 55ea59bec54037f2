//! What comes into the agent: the rules of `.deny.toml`, held in every run and without a network.

use std::collections::BTreeSet;

use dreichor_test_support::crates::{self, Crate};

fn read(file: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(path).expect("readable")
}

fn rules() -> toml::Table {
    read(".deny.toml").parse().expect(".deny.toml is TOML")
}

fn list<'a>(rules: &'a toml::Table, section: &str, key: &str) -> Vec<&'a toml::Value> {
    let list = rules[section][key].as_array().expect("a list");
    assert!(!list.is_empty());
    list.iter().collect()
}

/// Every package that is built on this machine, tests and build scripts included.
fn packages() -> Vec<Crate> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    crates::tree(root, &["--workspace", "--edges", "all"])
}

#[test]
fn every_licence_is_on_the_list() {
    let rules = rules();
    let allowed: Vec<spdx::Licensee> = list(&rules, "licenses", "allow")
        .into_iter()
        .map(|name| spdx::Licensee::parse(name.as_str().expect("text")).expect("a licence"))
        .collect();
    let packages = packages();
    assert!(packages.len() > 50);
    for package in packages {
        let name = &package.name;
        let text = package.licence.as_deref();
        let text = text.unwrap_or_else(|| panic!("{name} names no licence"));
        let expression = spdx::Expression::parse_mode(text, spdx::ParseMode::LAX);
        let expression = expression.unwrap_or_else(|error| panic!("{name}: {error}"));
        let fine = expression.evaluate(|asked| allowed.iter().any(|one| one.satisfies(asked)));
        assert!(fine, "{name} is {text}");
    }
}

#[test]
fn every_package_comes_from_the_one_registry() {
    let rules = rules();
    let allowed: Vec<String> = list(&rules, "sources", "allow-registry")
        .into_iter()
        .map(|url| format!("registry+{}", url.as_str().expect("text")))
        .collect();
    for package in packages() {
        let name = &package.name;
        match package.source {
            Some(source) => assert!(allowed.contains(&source), "{name} from {source}"),
            None => assert!(name.starts_with("dreichor-"), "{name}"),
        }
    }
}

#[test]
fn banned_crates_are_not_in_the_tree() {
    let rules = rules();
    let banned: BTreeSet<&str> = list(&rules, "bans", "deny")
        .into_iter()
        .map(|entry| entry["crate"].as_str().expect("a name"))
        .collect();
    for package in packages() {
        let name = package.name.as_str();
        assert!(!banned.contains(name), "{name}");
    }
}

#[test]
fn every_direct_dependency_gives_its_reason() {
    for file in ["Cargo.toml", "tests/support/Cargo.toml"] {
        let text = read(file);
        let table: toml::Table = text.parse().expect("TOML");
        let mut seen = 0;
        for section in ["dependencies", "dev-dependencies"] {
            let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for name in dependencies.keys() {
                let line = text
                    .lines()
                    .find(|line| line.starts_with(&format!("{name} =")));
                let reason = line
                    .and_then(|line| line.split_once(" # "))
                    .map(|(_, reason)| reason.trim());
                assert!(
                    reason.is_some_and(|reason| reason.len() >= 10),
                    "{name} in {file} gives no reason"
                );
                seen += 1;
            }
        }
        assert!(seen > 3, "{file}");
    }
}
