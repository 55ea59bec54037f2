//! What it costs when the queue fills: the deploys in it, the status beside it, the refusals behind it.

use std::time::Instant;

use crate::Effort;
use crate::busy::beside;
use crate::figures::{Report, Sample};
use crate::host::{Host, TAGS};

/// The running one and four that wait: `QUEUE_CAPACITY` as it is by default.
const PLACES: usize = 5;
const SURPLUS: usize = 7;

pub fn measure(host: &Host, effort: Effort, report: &mut Report) {
    let agent = host.agent("state");
    let deploy = || {
        let begun = Instant::now();
        (agent.deploy(host, TAGS[0]).status, begun.elapsed())
    };
    let (mut alone, mut queued) = (Sample::default(), Sample::default());
    let (mut refused, mut status) = (Sample::default(), Sample::default());
    deploy();
    for _ in 0..effort.queues {
        for _ in 0..PLACES {
            alone.push_ms(deploy().1);
        }
        let begun = Instant::now();
        let [delays] = beside([&agent], || {
            std::thread::scope(|scope| {
                let all: Vec<_> = (0..PLACES + SURPLUS).map(|_| scope.spawn(deploy)).collect();
                let mut done = 0;
                for one in all {
                    match one.join().expect("an answer") {
                        (200, _) => done += 1,
                        (503, after) => refused.push_ms(after),
                        (other, _) => panic!("a deploy was answered with {other}"),
                    }
                }
                assert_eq!(done, PLACES);
            });
        });
        queued.push_ms(begun.elapsed() / PLACES as u32);
        status.extend(delays.whole);
    }
    let ratio = queued.median() / alone.median();
    let details = format!(
        "{ratio:.3}; {} over {}",
        queued.shown("ms"),
        alone.shown("ms")
    );
    report.figure("a deploy in a full queue over one alone", &details);
    let details = format!(
        "{}, the last after {:.1} ms",
        refused.shown("ms"),
        refused.quantile(1.0)
    );
    report.figure(
        &format!("{SURPLUS} more at once are refused after"),
        &details,
    );
    let p99 = format!("{:.2} ms", status.quantile(0.99));
    report.figure("status p99 beside a full queue", &p99);
}
