//! An agent that is killed loses nothing that it was told is durable.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use deploy_agent::audit::*;

use crate::audit_support::*;

const DIRECTORY: &str = "AUDIT_CRASH_DIRECTORY";
const ROUNDS: u64 = 12;

fn small_files(dir: &std::path::Path) -> TrailOptions {
    TrailOptions {
        rotate_at: 4000,
        ..options(dir)
    }
}

/// Writes until it is killed, and says of every record when it is durable.
#[tokio::test]
#[ignore = "is the process that the test below kills"]
async fn victim() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let (trail, _) = trail_open(small_files(directory.as_ref())).unwrap();
    let mut out = std::io::stdout();
    for n in 0.. {
        let id = format!("{}-{n}", std::process::id());
        let pending = [
            trail.append(started(&id)),
            trail.append(step(&id, "pull")),
            trail.append(tag_ran(&id, &format!("r:{id}"), "id")),
            trail.append(end(&id, Outcome::Succeeded)),
        ];
        for pending in pending {
            let receipt = pending.await.unwrap();
            writeln!(out, "receipt {receipt}").unwrap();
        }
    }
}

#[test]
fn a_killed_agent_leaves_an_intact_trail_with_every_record_it_called_durable() {
    let dir = Dir::new();
    for round in 0..ROUNDS {
        let mut agent = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "audit_crash::victim"])
            .env(DIRECTORY, &dir.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let receipts = BufReader::new(agent.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            // The test harness may have begun the first line, and the kill may cut the last.
            .filter_map(|line| line.split_once("receipt ")?.1.parse::<Anchor>().ok());
        let mut last = None;
        for (n, receipt) in (0..).zip(receipts) {
            if n == 40 + round * 7 {
                agent.kill().unwrap();
            }
            last = Some(receipt);
        }
        agent.wait().unwrap();
        assert!(last.is_some(), "the victim writes until it is killed");

        let (trail, opened) = trail_open(small_files(&dir.0)).unwrap();
        assert!(opened.problems.is_empty(), "{:?}", opened.problems);
        assert!(opened.unfinished.len() as u64 <= round + 1);
        drop(trail);
        let how = VerifyOptions {
            path: dir.0.clone(),
            expect: last,
            partial: false,
        };
        let mut said = Vec::new();
        let verdict = verify(&how, &mut said).unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(verdict, Verdict::Intact, "round {round}: {said}");
    }
}
