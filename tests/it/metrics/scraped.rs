//! The metrics as the real node exporter and the real promtool read them, and the alert rules over them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{measured, read, until_it_says};
use crate::harness::{exchange, free_port, request_bytes, until};

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus")
}

struct Exporter(Child, u16);

impl Drop for Exporter {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Exporter {
    fn of(directory: &Path) -> Self {
        let port = free_port();
        let child = Command::new("prometheus-node-exporter")
            .args(["--collector.disable-defaults", "--collector.textfile"])
            .arg(format!(
                "--collector.textfile.directory={}",
                directory.display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .env_clear()
            .stderr(Stdio::null())
            .spawn()
            .expect("the node exporter; ./tests/run installs it");
        Self(child, port)
    }

    fn scrape(&self) -> String {
        let request = request_bytes("GET", "/metrics", &[("Accept", "text/plain")], "");
        exchange(self.1, &request).map_or(String::new(), |answer| answer.body)
    }
}

#[test]
fn two_agents_beside_each_other_are_scraped_without_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let dev = measured("dev", &directory.path().join("dreichor-dev.prom"));
    // As on a host: the exporter's directory is not the agent's, and has a link.
    let file = elsewhere.path().join("dreichor-prod.prom");
    let prod = measured("prod", &file);
    std::os::unix::fs::symlink(&file, directory.path().join("dreichor-prod.prom")).expect("a link");
    dev.push("1.0.0", &["run"]);
    let (dev_agent, _prod_agent) = (dev.agent(), prod.agent());
    assert_eq!(dev_agent.deploy(&dev.image("1.0.0")).status, 200);
    until_it_says(
        &directory.path().join("dreichor-dev.prom"),
        "dreichor_runtime_up{environment=\"dev\"} 1",
    );
    until_it_says(&file, "dreichor_runtime_up{environment=\"prod\"} 0");
    let exporter = Exporter::of(directory.path());
    until("the exporter answers", Duration::from_secs(20), || {
        exporter.scrape().contains("dreichor_runtime_up")
    });
    let scraped = exporter.scrape();
    for line in [
        "node_textfile_scrape_error 0",
        "dreichor_runtime_up{environment=\"dev\"} 1",
        "dreichor_runtime_up{environment=\"prod\"} 0",
    ] {
        assert!(
            scraped.lines().any(|found| found == line),
            "{line}: {scraped}"
        );
    }
    assert_eq!(scraped.matches("node_textfile_mtime_seconds{").count(), 2);
    // The age of a file is what the rules go by; its name is what they know it by.
    assert!(scraped.contains("dreichor-prod.prom\"}"), "{scraped}");
    understood(&read(&file));
    the_rules_speak_of_what_is_there(&scraped);
}

/// As promtool reads it.
fn understood(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool; ./tests/run installs it");
    let mut input = promtool.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, text.as_bytes()).expect("written");
    drop(input);
    let said = promtool.wait_with_output().expect("it ended");
    let said = [said.stdout, said.stderr].concat();
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

/// A rule over a misspelled name would never say anything.
fn the_rules_speak_of_what_is_there(scraped: &str) {
    let text = read(&rules().join("rules.yml"));
    let expressions = text
        .lines()
        .filter(|line| line.trim_start().starts_with("expr:"));
    let words =
        expressions.flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
    let names: BTreeSet<&str> = words
        .filter(|word| word.starts_with("dreichor_") || word.starts_with("node_"))
        .collect();
    assert!(names.len() > 7, "{names:?}");
    for name in names {
        assert!(
            scraped.contains(&format!("\n{name}{{")),
            "{name} is not there"
        );
    }
}

#[test]
fn every_alert_says_what_it_should_and_when() {
    for arguments in [
        ["check", "rules", "rules.yml"],
        ["test", "rules", "tests.yml"],
    ] {
        let said = Command::new("promtool")
            .args(arguments)
            .current_dir(rules())
            .output()
            .expect("promtool; ./tests/run installs it");
        let text = String::from_utf8_lossy(&said.stdout).into_owned()
            + &String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{text}");
    }
    // Each alert is in the tests.
    let (rules_text, tests) = (
        read(&rules().join("rules.yml")),
        read(&rules().join("tests.yml")),
    );
    let names = rules_text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let untested: Vec<_> = names.filter(|name| !tests.contains(*name)).collect();
    assert!(untested.is_empty(), "{untested:?}");
}
