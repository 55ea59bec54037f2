//! The software bill of materials of the program, as CycloneDX 1.5 describes it in JSON.
//!
//! Written here and not by a library: it is one object of a published schema, and the libraries for it bring an XML
//! parser and regular expressions along. Without a serial number or a time, so that a checkout always gives the same.

use std::collections::BTreeMap;

use dreichor_test_support::crates::Crate;
use serde_json::{Value, json};

/// The document.
#[must_use]
pub fn text(linked: &[Crate]) -> String {
    let hashes = checksums(include_str!("../../Cargo.lock"));
    let (own, others): (Vec<&Crate>, Vec<&Crate>) =
        linked.iter().partition(|one| one.source.is_none());
    let own = own.first().expect("the program is in its own tree");
    let components: Vec<Value> = others
        .iter()
        .map(|one| component("library", one, &hashes))
        .collect();
    let dependencies: Vec<Value> = linked.iter().map(|one| depends(one, linked)).collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component("application", own, &hashes) },
        "components": components,
        "dependencies": dependencies,
    });
    format!("{document:#}\n")
}

/// The checksums of the registry, by `name version`.
fn checksums(lock: &str) -> BTreeMap<String, String> {
    let table: toml::Table = lock.parse().expect("Cargo.lock is TOML");
    let packages = table["package"].as_array().expect("packages").iter();
    packages
        .filter_map(|package| {
            let text = |field: &str| package.get(field).and_then(toml::Value::as_str);
            Some((
                format!("{} {}", text("name")?, text("version")?),
                text("checksum")?.to_owned(),
            ))
        })
        .collect()
}

/// A package as its URL, which is also how this document refers to it.
fn purl(one: &Crate) -> String {
    // `+` of a version's build metadata is percent-encoded in a package URL.
    format!("pkg:cargo/{}@{}", one.name, one.version.replace('+', "%2B"))
}

fn component(kind: &str, one: &Crate, hashes: &BTreeMap<String, String>) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(one),
        "name": one.name,
        "version": one.version,
        "purl": purl(one),
    });
    if let Some(licence) = &one.licence {
        // Some still separate with a slash, which no SPDX expression knows.
        let choices: Vec<&str> = licence.split('/').map(str::trim).collect();
        component["licenses"] = json!([{ "expression": choices.join(" OR ") }]);
    }
    if let Some(hash) = hashes.get(&one.id()) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": hash }]);
    }
    if let Some(repository) = &one.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

fn depends(one: &Crate, linked: &[Crate]) -> Value {
    let on: Vec<String> = linked
        .iter()
        .filter(|other| one.dependencies.contains(&other.id()))
        .map(purl)
        .collect();
    json!({ "ref": purl(one), "dependsOn": on })
}
