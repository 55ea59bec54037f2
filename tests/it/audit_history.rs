//! What `deploy-agent history` shows.

use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use deploy_agent::audit::*;
use deploy_agent::history::{HistoryOptions, Since, history};
use time::OffsetDateTime;

use crate::audit_support::*;

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
async fn a_week(dir: &Dir) -> Trail {
    let (trail, _) = open(dir);
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
    trail.rejected(Rejection {
        http: 422,
        request: "POST /v1/deploy".to_owned(),
        reason: "latest is not allowed in prod".to_owned(),
        ..Rejection::default()
    });
    drop(trail.append(started(&id(9))));
    trail.append(step(&id(9), "stop")).await.unwrap();
    trail
}

#[tokio::test]
async fn operations_are_shown_newest_last_with_their_reasons_and_a_summary() {
    let dir = Dir::new();
    let _trail = a_week(&dir).await;
    let said = shown(&dir.0, HistoryOptions::default());
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("TIME (UTC)           OPERATION  KIND"));
    assert!(lines[1].contains("  00000000  ") || lines[1].contains("00000000"));
    for part in [
        "runtime:v1",
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
    assert!(
        lines[5].contains("running") && lines[5].contains("stop"),
        "{said}"
    );
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
    let dir = Dir::new();
    let _trail = a_week(&dir).await;
    let failed = HistoryOptions {
        failed: true,
        ..HistoryOptions::default()
    };
    assert!(shown(&dir.0, failed).contains("operations: 1 (1 failed)\n"));
    let rejected = HistoryOptions {
        rejected: true,
        ..HistoryOptions::default()
    };
    let said = shown(&dir.0, rejected);
    assert!(
        said.contains("    POST /v1/deploy: latest is not allowed in prod\n"),
        "{said}"
    );
    let newest = HistoryOptions {
        limit: Some(2),
        ..HistoryOptions::default()
    };
    assert!(shown(&dir.0, newest).contains("operations: 2 (1 succeeded, 1 running)\n"));
    let later = HistoryOptions {
        since: Some(Since(OffsetDateTime::now_utc() + Duration::from_secs(9))),
        ..HistoryOptions::default()
    };
    assert_eq!(shown(&dir.0, later), "no operations\n");
    let earlier = HistoryOptions {
        since: Some("1h".parse().unwrap()),
        ..HistoryOptions::default()
    };
    assert!(shown(&dir.0, earlier).contains("operations: 4"));
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
    let dir = Dir::new();
    drop(a_week(&dir).await);
    let (trail, opened) = open(&dir);
    assert_eq!(opened.unfinished.len(), 1);
    let row = |said: &str| said.lines().filter(|l| l.contains("00009")).count();
    let said = shown(&dir.0, HistoryOptions::default());
    assert!(said.contains("1 interrupted"), "{said}");
    trail
        .append(Event::OperationInterrupted(OperationInterrupted {
            operation: id(9),
            kind: "deploy".to_owned(),
            last_step: Some("stop".to_owned()),
            state: RuntimeState::OldStopped,
            container_id: None,
            image: Some("old:v0".to_owned()),
        }))
        .await
        .unwrap();
    let said = shown(&dir.0, HistoryOptions::default());
    assert_eq!(row(&said), 1);
    assert!(said.contains("1 interrupted") && said.contains("the runtime was: old stopped"));
    assert!(!said.contains("old:v0"));
}

#[tokio::test]
async fn json_is_one_object_an_operation_with_its_steps() {
    let dir = Dir::new();
    let _trail = a_week(&dir).await;
    let options = HistoryOptions {
        json: true,
        rejected: true,
        ..HistoryOptions::default()
    };
    let said = shown(&dir.0, options);
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
    let dir = Dir::new();
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
        let said = shown(&dir.0, options);
        let table = said.split("\n\n").next().unwrap();
        for line in table.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        assert!(table.contains("OUTCOME") && table.contains("IMAGE"));
        assert_eq!(table.contains("DIGEST"), width >= 160, "{width}");
    }
}

#[tokio::test]
async fn nothing_that_others_wrote_reaches_the_terminal() {
    let dir = Dir::new();
    let (trail, _) = open(&dir);
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
        let said = shown(&dir.0, options);
        let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!said.contains(obeyed), "{said:?}");
    }
    let options = HistoryOptions {
        colour: true,
        ..HistoryOptions::default()
    };
    assert!(shown(&dir.0, options).contains("\u{1b}[31mfailed"));
}

#[tokio::test]
async fn half_a_line_and_lines_that_are_no_record_do_not_stop_it() {
    let dir = Dir::new();
    drop(a_week(&dir).await);
    let mut bytes = std::fs::read(dir.newest()).unwrap();
    bytes.extend(b"garbage\n{\"seq\":");
    std::fs::write(dir.newest(), bytes).unwrap();
    let said = shown(&dir.newest(), HistoryOptions::default());
    assert!(said.contains("operations: 4"), "{said}");
    assert!(said.contains("lines that cannot be read: 1;"), "{said}");
}

/// Hands on what is written; gone when the other end is.
struct Pipe(mpsc::Sender<String>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let sent = self.0.send(text);
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn follow_goes_on_across_rotation_and_ends_with_its_reader() {
    let dir = Dir::new();
    let mut how = options(&dir.0);
    how.rotate_at = 3000;
    let (trail, _) = trail_open(how).unwrap();
    let (sender, receiver) = mpsc::channel();
    let options = HistoryOptions {
        path: dir.0.clone(),
        follow: true,
        json: true,
        ..HistoryOptions::default()
    };
    let follower = std::thread::spawn(move || history(&options, &mut Pipe(sender)));
    for n in 0..30 {
        drop(trail.append(started(&id(n))));
        trail.append(end(&id(n), Outcome::Succeeded)).await.unwrap();
        if n % 10 == 5 {
            let line = receiver.recv_timeout(Duration::from_secs(10)).unwrap();
            assert!(!line.is_empty());
        }
    }
    let mut seen = 3;
    while seen < 30 {
        receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        seen += 1;
    }
    assert!(receiver.try_recv().is_err(), "nothing is shown twice");
    drop(receiver);
    trail.append(end("last", Outcome::Succeeded)).await.unwrap();
    let ended = follower.join().unwrap().unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn follow_shows_a_line_when_it_is_whole_and_survives_its_being_taken_back() {
    let dir = Dir::new();
    life(&dir, vec![]).await;
    let whole = std::fs::read(dir.newest()).unwrap();
    std::fs::write(
        dir.newest(),
        [&whole[..], br#"{"v":1,"seq":2,"half of a li"#].concat(),
    )
    .unwrap();
    let (sender, receiver) = mpsc::channel();
    let options = HistoryOptions {
        path: dir.0.clone(),
        follow: true,
        json: true,
        ..HistoryOptions::default()
    };
    let follower = std::thread::spawn(move || history(&options, &mut Pipe(sender)));
    assert!(receiver.recv_timeout(Duration::from_millis(600)).is_err());
    let (trail, _) = open(&dir);
    drop(trail.append(started("a")));
    trail.append(end("a", Outcome::Succeeded)).await.unwrap();
    let line = receiver.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(line.contains(r#""operation":"a""#), "{line}");
    drop(receiver);
    trail.append(end("b", Outcome::Succeeded)).await.unwrap();
    assert!(follower.join().unwrap().is_err());
}
