//! How long a large trail takes. Measures and prints; run it by name, in release:
//! `cargo test --release --test it -- --ignored --nocapture trail::speed`

use std::time::{Duration, Instant};

use deploy_agent::audit::{Outcome, Verdict};
use deploy_agent::history::{HistoryOptions, history};

use super::events::{end, started, step, stepped, tag_ran};
use super::fixture::{TrailDir, verdict_of};

const RECORDS: u64 = 1_000_000;

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "measures, and takes a minute"]
async fn a_million_records_open_show_and_verify_within_seconds() {
    let dir = TrailDir::new();
    let (trail, _) = dir.open();

    let mut waits = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        trail.append(step("latency", "pull")).await.unwrap();
        waits.push(begun.elapsed());
    }
    waits.sort();
    println!(
        "append, durable: median {:?}, 99 % {:?}",
        waits[250], waits[495]
    );

    let begun = Instant::now();
    let mut operation = 0;
    while trail.head().seq < RECORDS {
        let mut pending = Vec::new();
        for _ in 0..50 {
            operation += 1;
            let id = format!("01930000-0000-7000-8000-{operation:012}");
            pending.push(trail.append(started(&id)));
            for name in [
                "preflight",
                "pull",
                "stop",
                "remove",
                "create",
                "start",
                "confirm",
            ] {
                pending.push(trail.append(step(&id, name)));
                pending.push(trail.append(stepped(&id, name, Outcome::Succeeded)));
            }
            pending.push(trail.append(tag_ran(&id, &format!("r:v{operation}"), "sha256:1")));
            pending.push(trail.append(end(&id, Outcome::Succeeded)));
        }
        for pending in pending {
            pending.await.unwrap();
        }
    }
    println!("{RECORDS} records in {:?}", begun.elapsed());
    trail.close().await;
    let size = std::fs::metadata(dir.newest()).unwrap().len();
    println!(
        "newest file: {} MiB; peak memory {} KiB",
        size >> 20,
        peak_kib()
    );

    let begun = Instant::now();
    let (trail, opened) = dir.open();
    let took = begun.elapsed();
    println!(
        "open: {took:?}, {} tags; peak memory {} KiB",
        opened.ledger_tags,
        peak_kib()
    );
    assert!(took < Duration::from_secs(5));
    trail.close().await;

    let begun = Instant::now();
    let (verdict, said) = verdict_of(dir.path(), Some(&trail.head()), false);
    println!(
        "verify: {:?}: {said}peak memory {} KiB",
        begun.elapsed(),
        peak_kib()
    );
    assert_eq!(verdict, Verdict::Intact);

    for json in [false, true] {
        let options = HistoryOptions {
            path: dir.path().to_owned(),
            json,
            ..HistoryOptions::default()
        };
        let begun = Instant::now();
        history(&options, &mut std::io::sink()).unwrap();
        println!(
            "history, json {json}: {:?}; peak memory {} KiB",
            begun.elapsed(),
            peak_kib()
        );
    }
}
