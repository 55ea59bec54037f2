//! Trails of earlier agents are read, continued and verified. `old_format` holds what `0.2.0+c1812f3e940d` wrote, which is
//! format 1 as 0.1.0 has it: deploys that succeeded, one that crashed, a rejection, a stop, a second life that was killed
//! in the middle of a deploy.

use std::fs;
use std::path::Path;
use std::process::Command;

use deploy_agent::audit::{Event, Outcome, RuntimeState, doubts_of};

use super::events::{deploy, end, interrupted, started};
use super::fixture::{TrailDir, verdict_of};

/// The last record of the old trail, as the log of its agent or of a pipeline would have it.
fn old() -> (TrailDir, String, String) {
    let dir = TrailDir::new();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/trail/old_format");
    for name in ["audit.jsonl", "audit.head", "environment"] {
        fs::write(dir.file(name), fs::read(kept.join(name)).unwrap()).unwrap();
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(dir.file(name), own).unwrap();
    }
    let head = fs::read_to_string(dir.file("audit.head")).unwrap();
    let reference = dir
        .records()
        .iter()
        .find(|record| record["event"] == "tag_ran")
        .unwrap()["reference"]
        .as_str()
        .unwrap()
        .to_owned();
    (dir, head.trim_end().to_owned(), reference)
}

#[tokio::test]
async fn a_trail_of_an_earlier_agent_is_verified_read_and_continued() {
    let (dir, head, reference) = old();
    assert!(dir.text().starts_with(r#"{"v":1,"seq":1,"#));
    dir.assert_intact();
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
    let (verdict, said) = verdict_of(dir.path(), Some(&head), false);
    assert_eq!(verdict, deploy_agent::audit::Verdict::Intact, "{said}");
}

#[tokio::test]
async fn an_earlier_agents_trail_goes_on_in_a_new_file_with_everything_it_amounts_to() {
    let (dir, head, reference) = old();
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
    let (verdict, said) = verdict_of(dir.path(), Some(&head), false);
    assert_eq!(verdict, deploy_agent::audit::Verdict::Intact, "{said}");
}

#[test]
fn history_shows_what_an_earlier_agent_wrote() {
    let (dir, ..) = old();
    let history = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
            .args(["history".as_ref(), dir.path().as_os_str()])
            .args(arguments)
            .env_clear()
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let said = history(&["--rejected"]);
    for part in [
        "runtime:1.0.0",
        "runtime:0.0.1",
        "runtime:2.0.0",
        "422",
        "ci.access ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("not what was written"), "{said}");
    // Its deploy that crashed told 0.1 s; the records between tell when the next start held.
    let rows: Vec<serde_json::Value> = history(&["--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let good = rows.iter().find(|row| row["outage"].is_object()).unwrap();
    assert!(
        good["image"].as_str().unwrap().ends_with(":2.0.0"),
        "{good}"
    );
    assert!(good["downtime_ms"].as_u64().unwrap() > 500, "{good}");
}
