//! The Debian package: whole, as Debian wants it, and the same bytes each time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::systemd::image::succeed;
use crate::systemd::package::{VERSION, generated, package, packed};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the package installs, unpacked.
fn unpacked() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut unpack = Command::new("dpkg-deb");
    unpack
        .arg("--extract")
        .arg(package(VERSION))
        .arg(directory.path());
    succeed("dpkg-deb", &mut unpack);
    directory
}

/// The programs that an unpacked package brings.
fn programs(unpacked: &Path) -> BTreeSet<String> {
    let names = ["usr/bin", "usr/sbin"].into_iter().flat_map(|folder| {
        let files = std::fs::read_dir(unpacked.join(folder)).expect("a folder");
        files.map(|file| {
            file.expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
    });
    names.collect()
}

#[test]
fn lintian_finds_no_error_and_no_warning() {
    let mut check = Command::new("lintian");
    check
        .args(["--fail-on", "error,warning"])
        .arg(package(VERSION));
    let said = succeed("lintian", &mut check);
    assert_eq!(said.trim(), "");
}

#[test]
fn the_package_demands_the_systemd_and_the_engine_that_check_demands() {
    let field = |name: &str| {
        let mut show = Command::new("dpkg-deb");
        show.arg("--field").arg(package(VERSION)).arg(name);
        succeed("dpkg-deb", &mut show)
    };
    assert!(field("Depends").contains("systemd (>= 251)"));
    // None need be here, as it may be on another machine.
    assert_eq!(
        field("Recommends").trim(),
        "docker.io (>= 20.10) | docker-ce (>= 5:20.10)"
    );
    assert_eq!(
        field("Breaks").trim(),
        "docker.io (<< 20.10), docker-ce (<< 5:20.10)"
    );
}

#[test]
fn the_same_checkout_packs_to_the_same_bytes() {
    let directory = tempfile::tempdir().expect("a directory");
    let again = directory.path().join("again.deb");
    packed(VERSION, &again);
    let first = std::fs::read(package(VERSION)).expect("a package");
    assert!(
        first == std::fs::read(&again).expect("a package"),
        "they differ"
    );
}

#[test]
fn what_a_page_runs_on_the_host_is_a_program_of_the_package_or_of_the_system() {
    const SYSTEM: [&str; 12] = [
        "apt-get",
        "cloudflared",
        "curl",
        "docker",
        "editor",
        "git",
        "install",
        "journalctl",
        "promtool",
        "systemctl",
        "systemd-run",
        "mkdir",
    ];
    // What is run where the package is built, not on the host.
    const CHECKOUT: [&str; 1] = ["deploy/package/build"];
    let unpacked = unpacked();
    let ours = programs(unpacked.path());
    let mut named = 0;
    for page in [
        "README.md",
        "deploy/README.md",
        "deploy/moving.md",
        "deploy/tunnel/README.md",
    ] {
        for line in host_commands(&read(root().join(page))) {
            let program = line
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .trim_start_matches("./");
            let known =
                SYSTEM.contains(&program) || CHECKOUT.contains(&program) || ours.contains(program);
            assert!(known, "{page}: {line}");
            named += usize::from(ours.contains(program));
        }
    }
    assert!(named >= 5, "{named} commands");
}

/// The lines of the blocks that a person pastes on the host; the checkout's own commands are in blocks of the README.
fn host_commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    let blocks = blocks.filter(|block| {
        block.contains("dreichor-deploy-agent-setup") || block.contains("systemctl")
    });
    let lines = blocks.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>());
    lines
        .filter(|line| !line.trim().is_empty() && !line.starts_with([' ', '#']))
        .collect()
}

#[test]
fn every_program_has_a_manual_page_and_every_command_too() {
    let unpacked = unpacked();
    let page = |name: &str| {
        ["man1", "man8"].into_iter().any(|section| {
            let file = format!("usr/share/man/{section}/{name}.{}.gz", &section[3..]);
            unpacked.path().join(file).exists()
        })
    };
    for program in programs(unpacked.path()) {
        assert!(page(&program), "no page for {program}");
    }
    let mut help = Command::new(env!("CARGO_BIN_EXE_deploy-agent"));
    let help = succeed("deploy-agent --help", help.arg("--help"));
    let listed = help.split("\nCommands:\n").nth(1).expect("a list").lines();
    let commands: Vec<&str> = listed
        .map_while(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 5);
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(
            page(&format!("deploy-agent-{command}")),
            "no page for {command}"
        );
    }
}

/// The head of a script and its manual page tell the same commands and options.
fn tells_the_same(script: &str, page: &str) {
    let (head, page) = (
        read(root().join(script)),
        read(root().join(page)).replace('\\', ""),
    );
    let head: Vec<&str> = head
        .lines()
        .take_while(|line| line.starts_with('#'))
        .collect();
    let usage = head
        .iter()
        .filter(|line| line.starts_with(&format!("#   {script} ")));
    let mut told = 0;
    // Behind two blanks stands what it does.
    let commands = usage.filter_map(|line| line.trim_start_matches(['#', ' ']).split("  ").next());
    for word in commands.flat_map(|line| line.split_whitespace().skip(1)) {
        let word = word.trim_matches(['[', ']']);
        if word.starts_with("--") || word.chars().all(|c| c.is_ascii_lowercase()) {
            told += 1;
            assert!(page.contains(word), "{page}\ndoes not tell {word}");
        }
    }
    assert!(told >= 4, "{told} words");
}

#[test]
fn the_pages_of_the_scripts_name_their_commands() {
    tells_the_same(
        "deploy/install",
        "deploy/package/dreichor-deploy-agent-setup.8",
    );
    tells_the_same("examples/operator", "deploy/package/dreichor-operator.1");
}

#[test]
fn every_link_of_an_installed_page_leads_to_something_that_is_installed() {
    let unpacked = unpacked();
    let pages = unpacked.path().join("usr/share/doc/dreichor-deploy-agent");
    let mut links = 0;
    for page in [
        "README.md",
        "deploy/README.md",
        "deploy/moving.md",
        "deploy/tunnel/README.md",
        "examples/README.md",
        "examples/signing.md",
    ] {
        // Debian compresses the long ones.
        let path = pages.join(page);
        let text = match path.exists() {
            true => read(&path),
            false => succeed(
                "zcat",
                Command::new("zcat").arg(path.with_extension("md.gz")),
            ),
        };
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            let file = path.parent().expect("a directory").join(target);
            let there = file.exists() || file.with_extension("md.gz").exists();
            assert!(there, "{page} links to {target}");
            links += 1;
        }
    }
    assert!(links >= 15, "{links} links");
}

#[test]
fn bash_completes_the_commands() {
    let unpacked = unpacked();
    let file = unpacked
        .path()
        .join("usr/share/bash-completion/completions/deploy-agent");
    let script = "source \"$1\"; COMP_WORDS=(deploy-agent ver); COMP_CWORD=1; _deploy__agent deploy-agent ver deploy-agent; \
                  echo \"${COMPREPLY[@]}\"";
    let mut complete = Command::new("bash");
    complete.args(["--norc", "-c", script, "bash"]).arg(file);
    assert_eq!(succeed("bash", &mut complete).trim(), "verify");
}

#[test]
fn the_changelog_of_debian_begins_with_the_version_that_is_packed() {
    let changelog = read(root().join("deploy/package/changelog"));
    let first = changelog.lines().next().expect("a line");
    assert!(
        first.starts_with(&format!(
            "dreichor-deploy-agent ({}-",
            env!("CARGO_PKG_VERSION")
        )),
        "{first}"
    );
}

#[test]
fn the_bill_of_materials_names_all_that_is_linked_with_licence_and_checksum() {
    let files: PathBuf = generated();
    let bill: Value = serde_json::from_str(&read(files.join("sbom.cdx.json"))).expect("JSON");
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"]),
        (&Value::from("CycloneDX"), &Value::from("1.5"))
    );
    let components = bill["components"].as_array().expect("components");
    let references: BTreeSet<&str> = components
        .iter()
        .filter_map(|one| one["bom-ref"].as_str())
        .collect();
    assert_eq!(references.len(), components.len());
    for needed in ["actix-web", "bollard", "rustls", "aws-lc-sys"] {
        assert!(
            components.iter().any(|one| one["name"] == needed),
            "{needed}"
        );
    }
    // What tests and builds it is not handed on.
    assert!(
        !components
            .iter()
            .any(|one| one["name"] == "proptest" || one["name"] == "serde_derive")
    );
    let texts = read(files.join("third-party-licences.txt"));
    for one in components {
        assert!(
            one["hashes"][0]["content"]
                .as_str()
                .is_some_and(|hash| hash.len() == 64),
            "{one}"
        );
        assert!(one["licenses"][0]["expression"].is_string(), "{one}");
        let (name, version) = (
            one["name"].as_str().expect("a name"),
            one["version"].as_str().expect("a version"),
        );
        assert!(
            texts.matches(&format!("{name} {version}")).count() >= 2,
            "no text for {name}"
        );
    }
    for edge in bill["dependencies"].as_array().expect("dependencies") {
        for on in edge["dependsOn"].as_array().expect("a list") {
            assert!(references.contains(on.as_str().expect("text")), "{on}");
        }
    }
}
