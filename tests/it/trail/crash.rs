//! An agent that is killed loses nothing that it was told is durable.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use deploy_agent::audit::{Anchor, Outcome, Verdict};

use super::events::{end, started, step, tag_ran};
use super::fixture::{TrailDir, verdict_of};

const DIRECTORY: &str = "TRAIL_CRASH_DIRECTORY";
const ROUNDS: u64 = 12;
const ROTATE_AT: u64 = 4000;

/// Writes until it is killed, and says of every record when it is durable.
#[tokio::test]
#[ignore = "is the process that the test below kills"]
async fn victim() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let (trail, _) = TrailDir::at(directory.into()).open_rotating(ROTATE_AT);
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
            let durable = pending.await.unwrap();
            writeln!(out, "durable {durable}").unwrap();
        }
    }
}

#[test]
fn a_killed_agent_leaves_an_intact_trail_with_every_record_it_called_durable() {
    let dir = TrailDir::new();
    for round in 0..ROUNDS {
        let mut agent = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "trail::crash::victim",
            ])
            .env(DIRECTORY, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let durable = BufReader::new(agent.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            // The test harness may have begun the first line, and the kill may cut the last.
            .filter_map(|line| line.split_once("durable ")?.1.parse::<Anchor>().ok());
        let mut last = None;
        for (n, anchor) in (0..).zip(durable) {
            if n == 40 + round * 7 {
                agent.kill().unwrap();
            }
            last = Some(format!("{}:{}", anchor.seq, anchor.hash));
        }
        agent.wait().unwrap();
        let last = last.expect("the victim writes until it is killed");

        let (trail, opened) = dir.open_rotating(ROTATE_AT);
        assert!(opened.problems.is_empty(), "{:?}", opened.problems);
        assert!(opened.unfinished.len() as u64 <= round + 1);
        drop(trail);
        let (verdict, said) = verdict_of(dir.path(), Some(&last), false);
        assert_eq!(verdict, Verdict::Intact, "round {round}: {said}");
    }
}
