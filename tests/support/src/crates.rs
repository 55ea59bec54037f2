//! What is built into the program: its crates, as `cargo tree` and `cargo metadata` tell, without a network.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// One package of the tree.
#[derive(Debug, Clone)]
pub struct Crate {
    /// Its name in the registry.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SPDX expression that it names.
    pub licence: Option<String>,
    /// Where it comes from, as cargo writes it; nothing for a package of this checkout.
    pub source: Option<String>,
    /// Its repository, as it says.
    pub repository: Option<String>,
    /// Where its files lie on this machine.
    pub directory: PathBuf,
    /// The packages that it is built with, of the same tree, as `name version`.
    pub dependencies: Vec<String>,
}

impl Crate {
    /// `name version`: what tells it from every other.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// The packages that `cargo tree` lists with these arguments, in the order of their names. `root` is the checkout.
///
/// # Panics
/// When cargo cannot tell: it says why.
#[must_use]
pub fn tree(root: &Path, arguments: &[&str]) -> Vec<Crate> {
    // The graph of `cargo metadata` also holds what no feature asks for; the tree does not.
    let format = ["tree", "--prefix", "none", "--format", "{p}"];
    let listed = cargo(root, &[&format, arguments].concat());
    let built: BTreeSet<String> = listed.lines().filter_map(id_of_line).collect();
    let host = host();
    let metadata = [
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        &host,
    ];
    let metadata: Value = serde_json::from_str(&cargo(root, &metadata)).expect("JSON");
    let mut crates: Vec<Crate> = list(&metadata["packages"])
        .iter()
        .map(|package| read(package, &metadata, &built))
        .filter(|one| built.contains(&one.id()))
        .collect();
    crates.sort_by_key(Crate::id);
    crates
}

/// `serde v1.0.1 (proc-macro)` is `serde 1.0.1`.
fn id_of_line(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    Some(format!(
        "{} {}",
        words.next()?,
        words.next()?.trim_start_matches('v')
    ))
}

fn read(package: &Value, metadata: &Value, built: &BTreeSet<String>) -> Crate {
    let text = |field: &str| package[field].as_str().map(str::to_owned);
    let manifest = PathBuf::from(text("manifest_path").expect("a manifest"));
    let node = list(&metadata["resolve"]["nodes"])
        .iter()
        .find(|node| node["id"] == package["id"]);
    let needs = node.map(|node| list(&node["deps"])).unwrap_or_default();
    let mut dependencies: Vec<String> = needs
        .iter()
        .filter(|needed| {
            list(&needed["dep_kinds"])
                .iter()
                .any(|kind| kind["kind"].is_null())
        })
        .filter_map(|needed| id_of_package(metadata, &needed["pkg"]))
        .filter(|id| built.contains(id))
        .collect();
    dependencies.sort();
    Crate {
        name: text("name").expect("a name"),
        version: text("version").expect("a version"),
        licence: text("license"),
        source: text("source"),
        repository: text("repository"),
        directory: manifest.parent().expect("a directory").to_owned(),
        dependencies,
    }
}

fn id_of_package(metadata: &Value, id: &Value) -> Option<String> {
    let package = list(&metadata["packages"])
        .iter()
        .find(|package| package["id"] == *id)?;
    Some(format!(
        "{} {}",
        package["name"].as_str()?,
        package["version"].as_str()?
    ))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn host() -> String {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("a host").to_owned()
}

fn cargo(root: &Path, arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("text")
}
