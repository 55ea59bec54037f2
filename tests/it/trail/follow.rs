//! `deploy-agent history --follow`: operations as they end, across files.

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use deploy_agent::audit::Outcome;
use deploy_agent::history::{HistoryOptions, history};

use super::events::{end, started};
use super::fixture::TrailDir;

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

/// `history --follow --json` of a trail, in a thread of its own, and what it shows.
fn follow(dir: &TrailDir) -> (JoinHandle<io::Result<()>>, mpsc::Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    let options = HistoryOptions {
        path: dir.path().to_owned(),
        follow: true,
        json: true,
        ..HistoryOptions::default()
    };
    let follower = std::thread::spawn(move || history(&options, &mut Pipe(sender)));
    (follower, receiver)
}

#[tokio::test]
async fn follow_goes_on_across_rotation_and_ends_with_its_reader() {
    let dir = TrailDir::new();
    let (trail, _) = dir.open_rotating(3000);
    let (follower, receiver) = follow(&dir);
    for n in 0..30 {
        drop(trail.append(started(&n.to_string())));
        trail
            .append(end(&n.to_string(), Outcome::Succeeded))
            .await
            .unwrap();
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
    let dir = TrailDir::new();
    dir.life(vec![]).await;
    dir.put_at_end(br#"{"v":1,"seq":2,"half of a li"#);
    let (follower, receiver) = follow(&dir);
    assert!(receiver.recv_timeout(Duration::from_millis(600)).is_err());
    let (trail, _) = dir.open();
    drop(trail.append(started("a")));
    trail.append(end("a", Outcome::Succeeded)).await.unwrap();
    let line = receiver.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(line.contains(r#""operation":"a""#), "{line}");
    drop(receiver);
    trail.append(end("b", Outcome::Succeeded)).await.unwrap();
    assert!(follower.join().unwrap().is_err());
}
