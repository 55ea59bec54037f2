//! What `deploy-agent history` shows.

use std::path::Path;
use std::time::Duration;

use deploy_agent::audit::{Event, OperationKind, Outcome, RuntimeState, Trail};
use deploy_agent::history::{HistoryOptions, Since, history};
use time::OffsetDateTime;

use super::events::{end, ended, interrupted, rejection, started, step, stepped};
use super::fixture::TrailDir;

fn shown(path: &Path, options: HistoryOptions) -> String {
    let mut out = Vec::new();
    let options = HistoryOptions {
        path: path.to_owned(),
        ..options
    };
    history(&options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const ID: &str = "01930000-0000-7000-8000-0000000";

fn id(n: u32) -> String {
    format!("{ID}{n:05}")
}

/// Two deploys that succeeded, one that failed, a rejection, and one under way.
async fn a_week(dir: &TrailDir) -> Trail {
    let (trail, _) = dir.open();
    for n in 0..3 {
        let outcome = if n == 1 {
            Outcome::Failed
        } else {
            Outcome::Succeeded
        };
        drop(trail.append(started(&id(n))));
        drop(trail.append(step(&id(n), "pull")));
        drop(trail.append(stepped(&id(n), "pull", Outcome::Succeeded)));
        drop(trail.append(end(&id(n), outcome)));
    }
    trail.rejected(rejection("latest is not allowed in prod"));
    drop(trail.append(started(&id(9))));
    trail.append(step(&id(9), "stop")).await.unwrap();
    trail
}

#[tokio::test]
async fn operations_are_shown_newest_last_with_their_reasons_and_a_summary() {
    let dir = TrailDir::new();
    let _trail = a_week(&dir).await;
    let said = shown(dir.path(), HistoryOptions::default());
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("TIME (UTC)           OPERATION  KIND"));
    assert!(lines[1].contains("00000000"));
    for part in [
        " v1 ",
        "succeeded",
        "ci.access",
        "2.5 s",
        "1.2 s",
        "abababababab",
    ] {
        assert!(lines[1].contains(part), "{part}: {}", lines[1]);
    }
    assert!(lines[2].contains("failed") && lines[2].contains("start"));
    assert_eq!(lines[3], "    the container did not start");
    assert!(lines[5].contains("running") && lines[5].contains("stop"));
    assert!(!said.contains("422"));
    assert!(said.contains("operations: 4 (2 succeeded, 1 failed, 1 running)\n"));
    assert!(
        said.contains("deploys: 3, 33.3 % did not succeed\n"),
        "{said}"
    );
    assert!(said.contains("downtime: median 1.2 s, 95 % within 1.2 s, longest 1.2 s  ███\n"));
}

#[tokio::test]
async fn failed_rejected_limit_and_since_choose() {
    let dir = TrailDir::new();
    let _trail = a_week(&dir).await;
    let failed = HistoryOptions {
        failed: true,
        ..HistoryOptions::default()
    };
    assert!(shown(dir.path(), failed).contains("operations: 1 (1 failed)\n"));
    let rejected = HistoryOptions {
        rejected: true,
        ..HistoryOptions::default()
    };
    let said = shown(dir.path(), rejected);
    assert!(
        said.contains("    POST /v1/deploy: latest is not allowed in prod\n"),
        "{said}"
    );
    let newest = HistoryOptions {
        limit: Some(2),
        ..HistoryOptions::default()
    };
    assert!(shown(dir.path(), newest).contains("operations: 2 (1 succeeded, 1 running)\n"));
    let later = HistoryOptions {
        since: Some(Since(OffsetDateTime::now_utc() + Duration::from_secs(9))),
        ..HistoryOptions::default()
    };
    assert_eq!(shown(dir.path(), later), "no operations\n");
    let earlier = HistoryOptions {
        since: Some("1h".parse().unwrap()),
        ..HistoryOptions::default()
    };
    assert!(shown(dir.path(), earlier).contains("operations: 4"));
}

#[test]
fn since_is_a_time_a_date_or_an_age() {
    let Since(time) = "2025-01-31T12:00:00+01:00".parse().unwrap();
    assert_eq!(time.unix_timestamp(), 1_738_321_200);
    let Since(date) = "2025-01-31".parse().unwrap();
    assert_eq!(date.unix_timestamp(), 1_738_281_600);
    let Since(age) = "90m".parse().unwrap();
    let back = OffsetDateTime::now_utc() - age;
    assert!((back.whole_seconds() - 5400).abs() < 5);
    for wrong in [
        "",
        "m",
        "-3d",
        "3 d",
        "3y",
        "yesterday",
        "99999999999d",
        "é",
    ] {
        assert!(wrong.parse::<Since>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn an_operation_that_a_later_life_found_is_shown_as_interrupted() {
    let dir = TrailDir::new();
    drop(a_week(&dir).await);
    let (trail, opened) = dir.open();
    assert_eq!(opened.unfinished.len(), 1);
    let row = |said: &str| said.lines().filter(|l| l.contains("00009")).count();
    let said = shown(dir.path(), HistoryOptions::default());
    assert!(said.contains("1 interrupted"), "{said}");
    trail
        .append(interrupted(
            &id(9),
            RuntimeState::OldStopped,
            Some("old:v0"),
        ))
        .await
        .unwrap();
    let said = shown(dir.path(), HistoryOptions::default());
    assert_eq!(row(&said), 1);
    assert!(said.contains("1 interrupted") && said.contains("the runtime was: old stopped"));
    assert!(!said.contains("old:v0"));
}

#[tokio::test]
async fn json_is_one_object_an_operation_with_its_steps() {
    let dir = TrailDir::new();
    let _trail = a_week(&dir).await;
    let options = HistoryOptions {
        json: true,
        rejected: true,
        ..HistoryOptions::default()
    };
    let said = shown(dir.path(), options);
    let all: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(all.len(), 5);
    assert_eq!(all[1]["outcome"], "failed");
    assert_eq!(all[1]["reason"], "the container did not start");
    assert_eq!(all[1]["requester"]["client_id"], "ci.access");
    assert_eq!(all[1]["steps"][0]["step"], "pull");
    assert_eq!(all[1]["steps"][0]["outcome"], "succeeded");
    assert_eq!(all[1]["steps"].as_array().unwrap().len(), 1);
    assert!(all[1]["started_at"].is_string() && all[1]["ended_at"].is_string());
    assert_eq!(all[3]["kind"], "rejected");
    assert_eq!(all[4]["outcome"], "running");
}

#[tokio::test]
async fn a_table_fits_its_terminal() {
    let dir = TrailDir::new();
    let trail = a_week(&dir).await;
    let mut long = ended(&id(20), Outcome::Failed);
    long.reason = Some("no container was started because ".repeat(20));
    long.image = Some(format!("ghcr.io/x/runtime:{}", "v".repeat(100)));
    let ended = Event::OperationEnded(Box::new(long));
    trail.append(ended).await.unwrap();
    for width in [60, 80, 100, 120, 160, 200] {
        let options = HistoryOptions {
            width: Some(width),
            ..HistoryOptions::default()
        };
        let said = shown(dir.path(), options);
        let table = said.split("\n\n").next().unwrap();
        for line in table.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        assert!(table.contains("OUTCOME") && table.contains("IMAGE"));
        assert_eq!(table.contains("DIGEST"), width >= 160, "{width}");
    }
}

/// Where each column begins, by its head.
fn columns(head: &str) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    // Heads have one blank inside at most, and two between them.
    for part in head.split("  ").filter(|part| !part.trim().is_empty()) {
        let from = found.last().map_or(0, |(name, at)| at + name.len());
        let at = from + head[from..].find(part.trim()).unwrap();
        found.push((part.trim().to_owned(), at));
    }
    found
}

#[tokio::test]
async fn without_a_terminal_and_with_the_default_repository_every_row_keeps_its_columns() {
    let dir = TrailDir::new();
    let trail = a_week(&dir).await;
    // What is widest in practice: a token's id, a tag of a commit, a step of a prune, an outcome.
    let tag = "sha-0123456789abcdef0123456789abcdef0123";
    let mut begun = started(&id(30));
    if let Event::OperationStarted(begun) = &mut begun {
        begun.requester.client_id = Some(format!("{}.access", "0a".repeat(16)));
        begun.image = Some(format!("ghcr.io/ceerkle/dreichor-trading/runtime:{tag}"));
    }
    drop(trail.append(begun));
    drop(trail.append(step(&id(30), "remove_image")));
    trail
        .append(interrupted(&id(30), RuntimeState::Unknown, None))
        .await
        .unwrap();
    let mut stop = ended(&id(31), Outcome::Abandoned);
    (stop.kind, stop.image, stop.digest) = (OperationKind::Stop, None, None);
    let stop = Event::OperationEnded(Box::new(stop));
    trail.append(stop).await.unwrap();
    trail.close().await;
    // A pipe is no terminal.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .args(["history".as_ref(), dir.path().as_os_str()])
        .arg("--rejected")
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut lines = said.split("\n\n").next().unwrap().lines();
    let columns = columns(lines.next().unwrap());
    let heads: Vec<&str> = columns.iter().map(|(head, _)| &head[..]).collect();
    assert_eq!(
        heads,
        [
            "TIME (UTC)",
            "OPERATION",
            "KIND",
            "IMAGE",
            "DIGEST",
            "REVISION",
            "SIGNED BY",
            "OUTCOME",
            "STEP",
            "BY",
            "DURATION",
            "DOWNTIME"
        ]
    );
    let rows: Vec<&str> = lines.filter(|line| !line.starts_with("    ")).collect();
    assert_eq!(rows.len(), 7, "{said}");
    for row in &rows {
        for (head, at) in &columns {
            let before = at.checked_sub(2).map_or("  ", |from| &row[from..*at]);
            assert_eq!(before, "  ", "{head}: {row}\n{said}");
            let cell = &row[*at..];
            // An operation that was told of by its end alone, and a rejection, have no name there.
            assert!(
                !cell.starts_with(' ') || *head == "OPERATION",
                "{head}: {row}\n{said}"
            );
        }
        let image = columns.iter().find(|(head, _)| head == "IMAGE").unwrap().1;
        let image = row[image..].split(' ').next().unwrap();
        assert!(["v1", tag, "-"].contains(&image), "the tag alone: {row}");
    }
    let whole = format!("{}.access", "0a".repeat(16));
    assert!(said.contains(&whole), "{said}");
}

#[tokio::test]
async fn nothing_that_others_wrote_reaches_the_terminal() {
    let dir = TrailDir::new();
    let (trail, _) = dir.open();
    let evil = "\u{1b}[2J\u{9b}31m\r\n\u{202e}";
    let mut hostile = ended(evil, Outcome::Failed);
    hostile.reason = Some(evil.to_owned());
    hostile.image = Some(evil.to_owned());
    let mut begun = started(evil);
    if let Event::OperationStarted(begun) = &mut begun {
        begun.requester.client_id = Some(evil.to_owned());
    }
    drop(trail.append(begun));
    let ended = Event::OperationEnded(Box::new(hostile));
    trail.append(ended).await.unwrap();
    for json in [false, true] {
        let options = HistoryOptions {
            json,
            width: Some(200),
            ..HistoryOptions::default()
        };
        let said = shown(dir.path(), options);
        let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!said.contains(obeyed), "{said:?}");
    }
    let options = HistoryOptions {
        colour: true,
        ..HistoryOptions::default()
    };
    assert!(shown(dir.path(), options).contains("\u{1b}[31mfailed"));
}

#[tokio::test]
async fn half_a_line_and_lines_that_are_no_record_do_not_stop_it() {
    let dir = TrailDir::new();
    drop(a_week(&dir).await);
    dir.put_at_end(b"garbage\n{\"seq\":");
    let said = shown(&dir.newest(), HistoryOptions::default());
    assert!(said.contains("operations: 4"), "{said}");
    assert!(said.contains("lines that cannot be read: 1;"), "{said}");
}
