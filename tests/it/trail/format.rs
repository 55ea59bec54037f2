//! Trails of earlier agents are read, continued and verified. `old_format` holds what two of them wrote, by their version:
//! deploys that succeeded, one that crashed, a rejection, a stop, and lives that were killed in the middle of a deploy.
//! The one of 0.1.0 has, besides, an image that is not there, a tag that was moved, and half a line that a start has
//! kept aside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use deploy_agent::audit::{Event, Outcome, RuntimeState, Verdict, doubts_of};
use serde_json::Value;

use super::events::{deploy, end, interrupted, started};
use super::fixture::{TrailDir, verdict_of};

const VERSIONS: [&str; 2] = ["0.1.0", "0.2.0+c1812f3e940d"];

/// An earlier agent's trail, to be gone on with.
struct Old {
    version: &'static str,
    dir: TrailDir,
    /// The record that its head file names.
    head: String,
}

fn each() -> [Old; 2] {
    VERSIONS.map(|version| {
        let dir = TrailDir::new();
        let kept = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/trail/old_format")
            .join(version);
        for file in fs::read_dir(kept).unwrap() {
            let from = file.unwrap();
            let to = dir.path().join(from.file_name());
            fs::copy(from.path(), &to).unwrap();
            let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(to, own).unwrap();
        }
        let head = fs::read_to_string(dir.file("audit.head")).unwrap();
        Old {
            version,
            dir,
            head: head.trim_end().to_owned(),
        }
    })
}

impl Old {
    /// The first tag that ran.
    fn reference(&self) -> String {
        let records = self.dir.records();
        let ran = records.iter().find(|record| record["event"] == "tag_ran");
        ran.unwrap()["reference"].as_str().unwrap().to_owned()
    }

    fn assert_intact(&self) {
        let (verdict, said) = verdict_of(self.dir.path(), Some(&self.head), false);
        assert_eq!(verdict, Verdict::Intact, "{}: {said}", self.version);
    }
}

fn command(path: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_deploy-agent"));
    program.args(&arguments[..1]).arg(path);
    program.args(&arguments[1..]).env_clear().output().unwrap()
}

#[tokio::test]
async fn a_trail_of_an_earlier_agent_is_verified_read_and_continued() {
    for old in each() {
        let dir = &old.dir;
        assert!(dir.text().starts_with(r#"{"v":1,"seq":1,"#));
        for record in dir.records() {
            assert_eq!(record["agent_version"], old.version);
        }
        old.assert_intact();
        let reference = old.reference();
        let (trail, opened) = dir.open();
        assert!(opened.problems.is_empty(), "{:?}", opened.problems);
        assert_eq!(opened.ledger_tags, 3);
        assert_eq!(trail.ledger_lookup(&reference).unwrap().operation.len(), 36);
        // Its directory is neither new nor lost: a host that is upgraded in prod deploys on.
        assert!(trail.doubts().is_empty());
        assert_eq!(doubts_of(dir.path()).unwrap(), Some(Vec::new()));
        let [left] = &opened.unfinished[..] else {
            panic!("{:?}", opened.unfinished)
        };
        assert_eq!(
            (left.kind.as_str(), left.last_step.as_deref()),
            ("deploy", Some("create"))
        );
        assert!(trail.knows_operation(&left.operation).unwrap());
        let closed = interrupted(&left.operation, RuntimeState::Nothing, None);
        trail.append(closed).await.unwrap();
        for event in deploy("0198-new", "r:v9") {
            trail.append(event).await.unwrap();
        }
        trail.close().await;
        old.assert_intact();
    }
}

#[tokio::test]
async fn an_earlier_agents_trail_goes_on_in_a_new_file_with_everything_it_amounts_to() {
    for old in each() {
        let (dir, reference) = (&old.dir, old.reference());
        let events: Vec<Event> = (0..20)
            .flat_map(|n| {
                [
                    started(&format!("n{n}")),
                    end(&format!("n{n}"), Outcome::Succeeded),
                ]
            })
            .collect();
        dir.life_rotating(2000, events).await;
        assert!(dir.finished().len() > 1);
        let (trail, opened) = dir.open_rotating(2000);
        assert!(trail.ledger_lookup(&reference).is_some());
        assert_eq!(opened.unfinished.len(), 1);
        trail.close().await;
        old.assert_intact();
    }
}

#[test]
fn history_shows_what_an_earlier_agent_wrote() {
    let common = ["runtime:1.0.0", "runtime:2.0.0", "422", "ci.access "];
    let own: [&[&str]; 2] = [
        &[
            "runtime:1.0.1",
            "tag 1.0.1 is immutable",
            "manifest unknown",
            "afterwards the runtime was: new created",
        ],
        &["runtime:0.0.1"],
    ];
    for (old, own) in each().into_iter().zip(own) {
        let history = |arguments: &[&str]| {
            let arguments = [&["history"], arguments].concat();
            let output = command(old.dir.path(), &arguments);
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap()
        };
        let said = history(&["--rejected"]);
        for part in common.iter().chain(own) {
            assert!(said.contains(part), "{}: {part}: {said}", old.version);
        }
        assert!(!said.contains("not what was written"), "{said}");
        // Its deploy that crashed told some milliseconds; the records between tell when the next start held.
        let rows: Vec<Value> = history(&["--json"])
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let good = rows.iter().find(|row| row["outage"].is_object()).unwrap();
        assert!(
            good["image"].as_str().unwrap().ends_with(":2.0.0"),
            "{good}"
        );
        assert!(good["downtime_ms"].as_u64().unwrap() > 500, "{good}");
        let operations = rows.iter().filter(|row| row["operation"].is_string());
        let begun = old.dir.text().matches("operation_started").count();
        assert_eq!(operations.count(), begun, "{}", old.version);
    }
}

#[test]
fn an_edit_of_an_earlier_agents_trail_is_found_and_not_explained_by_its_age() {
    for old in each() {
        let lines = old.dir.lines();
        // Of the last one, behind the head file, only the record after it will know.
        for at in 0..lines.len() - 1 {
            let mut edited = lines.clone();
            edited[at] = edited[at].replacen("\"event\":\"", "\"event\":\"x", 1);
            old.dir.put_lines(&edited);
            old.dir
                .assert_broken(&format!("{}, line {at}", old.version));
            edited.remove(at);
            old.dir.put_lines(&edited);
            old.dir
                .assert_broken(&format!("{} without line {at}", old.version));
        }
        old.dir.put_lines(&lines);
        old.assert_intact();
        let output = command(old.dir.path(), &["verify"]);
        assert_eq!(output.status.code(), Some(0));
    }
}

#[tokio::test]
async fn a_start_says_and_records_an_edit_of_an_earlier_agents_trail() {
    for old in each() {
        let changed = old.dir.text().replacen("ci.access", "xx.access", 1);
        fs::write(old.dir.newest(), changed).unwrap();
        let (trail, opened) = old.dir.open();
        assert_eq!(opened.problems.len(), 1, "{:?}", opened.problems);
        assert!(!trail.doubts().is_empty());
        trail.close().await;
        assert_eq!(old.dir.events().last().unwrap(), "trail_damaged");
        let output = command(&PathBuf::from(old.dir.path()), &["verify"]);
        assert_ne!(output.status.code(), Some(0));
    }
}
