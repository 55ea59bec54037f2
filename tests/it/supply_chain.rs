//! What comes into the agent: the rules of `.deny.toml`, held in every run and without a network.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

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

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("text")
}

/// Every package that is built on this machine, tests and build scripts included.
fn packages() -> Vec<Value> {
    // The graph of `cargo metadata` also holds what no feature asks for; the tree does not.
    let tree = cargo(&[
        "tree",
        "--workspace",
        "--edges",
        "all",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let built: BTreeSet<String> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some(format!(
                "{} {}",
                words.next()?,
                words.next()?.trim_start_matches('v')
            ))
        })
        .collect();
    let host = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let host = String::from_utf8(host.stdout).expect("text");
    let host = host
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("a host");
    let metadata = cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let text =
        |package: &Value, field: &str| package[field].as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages
        .filter(|package| {
            built.contains(&format!(
                "{} {}",
                text(package, "name"),
                text(package, "version")
            ))
        })
        .cloned()
        .collect()
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
        let (name, text) = (&package["name"], package["license"].as_str());
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
        match package["source"].as_str() {
            Some(source) => assert!(
                allowed.iter().any(|one| one == source),
                "{} from {source}",
                package["name"]
            ),
            None => assert!(
                package["name"]
                    .as_str()
                    .is_some_and(|name| name.starts_with("dreichor-"))
            ),
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
        let name = package["name"].as_str().expect("a name");
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
