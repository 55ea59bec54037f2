//! How late the status is: from the event at the engine to the first status that shows it.

use std::time::{Duration, Instant, SystemTime};

use crate::Effort;
use crate::engine::{Engine, Events};
use crate::figures::{Report, Sample};
use crate::host::{Host, TAGS};
use crate::server::{Server, status_request};

const SHOWN_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks; the figures are no finer than this and the request.
const LOOK: Duration = Duration::from_micros(200);

pub fn measure(host: &Host, effort: Effort, report: &mut Report) {
    let agent = host.agent("state");
    let answer = agent.deploy(host, TAGS[0]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut engine = Engine::connect();
    let events = Events::of(&[&host.name]);
    let id = engine.id_of(&host.name).expect("it was deployed");
    events.forget();
    let (mut ends, mut starts) = (Sample::default(), Sample::default());
    for _ in 0..effort.changes {
        ends.push(change(&agent, &events, "die", false, &mut || {
            engine.call("POST", &format!("/containers/{id}/kill"), None);
        }));
        starts.push(change(&agent, &events, "start", true, &mut || {
            engine.call("POST", &format!("/containers/{id}/start"), None);
        }));
    }
    for (name, sample) in [("an end", &ends), ("a start", &starts)] {
        let p99 = sample.quantile(0.99);
        report.figure(
            &format!("{name} of the container"),
            &format!("{}, p99 {p99:.1} ms", sample.shown("ms")),
        );
    }
}

/// Milliseconds between the event and the end of the first answer that shows it.
fn change(
    agent: &Server,
    events: &Events,
    action: &str,
    running: bool,
    act: &mut (dyn FnMut() + Send),
) -> f64 {
    let shown = std::thread::scope(|scope| {
        let shown = scope.spawn(|| await_status(agent, running));
        act();
        shown.join().expect("the status shows it")
    });
    let happened = Duration::from_nanos(events.next(action).at);
    let shown = shown
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    shown.saturating_sub(happened).as_secs_f64() * 1e3
}

fn await_status(agent: &Server, running: bool) -> SystemTime {
    let wanted = format!("\"running\":{running}");
    let end = Instant::now() + SHOWN_WITHIN;
    loop {
        let answer = agent.ask(&status_request());
        if answer.body.contains(&wanted) {
            return SystemTime::now();
        }
        assert!(Instant::now() < end, "never shown: {wanted}");
        std::thread::sleep(LOOK);
    }
}
