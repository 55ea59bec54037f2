//! Status against a bare route: how many a second, at which processor time each, how late the slowest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Effort;
use crate::deploys;
use crate::engine::Engine;
use crate::figures::{Goal, Report, Sample};
use crate::host::{Host, Server, TAGS, status_request};
use crate::process;

/// Connections under load, asked all at once by one client thread: the client costs little and is the same for both.
const CONNECTIONS: usize = 32;
/// Between two requests when only their delay is of interest.
const PACE: Duration = Duration::from_millis(2);
/// How long the delays of an idle server are taken.
const IDLE: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Series {
    throughput: Sample,
    processor: Sample,
    p99: Sample,
}

pub fn measure(host: &Host, effort: Effort, report: &mut Report) {
    let agent = host.agent("state");
    let answer = agent
        .connect()
        .exchange(&status_request())
        .expect("a status");
    let bare = host.bare_front(answer.body.len());
    let (mut agents, mut bares) = (Series::default(), Series::default());
    for round in 0..=effort.status_rounds {
        for turn in 0..2 {
            let of_agent = (round + turn) % 2 == 0;
            let (server, series) = if of_agent {
                (&agent, &mut agents)
            } else {
                (&bare, &mut bares)
            };
            // The first round warms both.
            let mut scrap = Series::default();
            let series = if round == 0 { &mut scrap } else { series };
            load(server, effort.status_requests, series);
        }
    }
    let throughput = (&agents.throughput, &bares.throughput);
    report.ratio(
        "throughput over the bare route",
        throughput,
        "/s",
        Goal::AtLeast(0.85),
    );
    let p99 = agents.p99.median() / bares.p99.median();
    let details = format!(
        "{p99:.3}; agent {}, bare {}",
        agents.p99.shown("ms"),
        bares.p99.shown("ms")
    );
    report.figure("p99 under that load over the bare route", &details);
    let processor = agents.processor.median() / bares.processor.median();
    let details = format!(
        "{processor:.3}; agent {}, bare {}",
        agents.processor.shown("us"),
        bares.processor.shown("us")
    );
    report.figure("processor time a request over the bare route", &details);
    while_deploying(host, effort, (&agent, &bare), report);
    full_queue(host, &agent, report);
}

/// One round of requests over all connections.
fn load(server: &Server, requests: usize, series: &mut Series) {
    let request = status_request();
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    let mut delays = Sample::default();
    let cpu = process::processor_time(server.pid());
    let begun = Instant::now();
    let turns = requests / CONNECTIONS;
    for _ in 0..turns {
        let asked = Instant::now();
        for connection in &mut connections {
            connection.send(&request).expect("sent");
        }
        for connection in &mut connections {
            let answer = connection.receive().expect("an answer");
            assert_eq!(answer.status, 200);
            delays.push_ms(asked.elapsed());
        }
    }
    let done = (turns * CONNECTIONS) as f64;
    series.throughput.push(done / begun.elapsed().as_secs_f64());
    let cpu = process::processor_time(server.pid()) - cpu;
    series.processor.push(cpu * 1e6 / done);
    series.p99.push(delays.quantile(0.99));
}

/// Delays of requests that come at a steady pace, until told to end.
fn paced(server: &Server, goes_on: impl Fn() -> bool) -> Sample {
    let request = status_request();
    let mut connection = server.connect();
    let mut delays = Sample::default();
    while goes_on() {
        let asked = Instant::now();
        let answer = connection.exchange(&request).expect("an answer");
        assert_eq!(answer.status, 200);
        delays.push_ms(asked.elapsed());
        std::thread::sleep(PACE);
    }
    delays
}

fn paced_for(server: &Server, time: Duration) -> Sample {
    let end = Instant::now() + time;
    paced(server, || Instant::now() < end)
}

/// Delays while deploys run; the bare route's while bare deploys run show what the machine itself adds.
fn while_deploying(host: &Host, effort: Effort, servers: (&Server, &Server), report: &mut Report) {
    let (agent, bare) = servers;
    let mut engine = Engine::connect();
    let [mut idle, mut busy, mut bare_idle, mut bare_busy] =
        std::array::from_fn(|_| Sample::default());
    for turn in 0..effort.busy_deploys {
        let tag = TAGS[turn % 2];
        let share = IDLE / u32::try_from(effort.busy_deploys).unwrap_or(1);
        idle.extend(paced_for(agent, share));
        busy.extend(beside(agent, || {
            let answer = agent.deploy(host, tag);
            assert_eq!(answer.status, 200, "{}", answer.text());
        }));
        bare_idle.extend(paced_for(bare, share));
        bare_busy.extend(beside(bare, || deploys::bare(host, &mut engine, tag)));
    }
    let p99 = |sample: &Sample| sample.quantile(0.99);
    let details = format!(
        "agent {:.2} ms over {:.2} ms idle; the bare route beside bare deploys {:.2} over {:.2} ms, {:.3}",
        p99(&busy),
        p99(&idle),
        p99(&bare_busy),
        p99(&bare_idle),
        p99(&bare_busy) / p99(&bare_idle)
    );
    let name = "p99 while deploys run over the idle one";
    report.judged(name, p99(&busy) / p99(&idle), Goal::AtMost(2.0), &details);
    let over = p99(&busy) / p99(&bare_busy);
    report.figure(
        "p99 while deploys run over the bare route's",
        &format!("{over:.3}"),
    );
}

/// Delays beside some work.
fn beside(server: &Server, work: impl FnOnce()) -> Sample {
    let goes_on = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let delays = scope.spawn(|| paced(server, || goes_on.load(Ordering::Relaxed)));
        work();
        goes_on.store(false, Ordering::Relaxed);
        delays.join().expect("every status was answered")
    })
}

/// More deploys at once than the queue holds: status goes on, and the surplus is refused at once.
fn full_queue(host: &Host, agent: &Server, report: &Report) {
    let mut refused = Sample::default();
    let mut done = 0;
    let delays = beside(agent, || {
        std::thread::scope(|scope| {
            let deploy = || {
                let begun = Instant::now();
                (agent.deploy(host, TAGS[0]).status, begun.elapsed())
            };
            let deploys: Vec<_> = (0..12).map(|_| scope.spawn(deploy)).collect();
            for deploy in deploys {
                match deploy.join().expect("an answer") {
                    (200, _) => done += 1,
                    (503, after) => refused.push_ms(after),
                    (other, _) => panic!("a deploy was answered with {other}"),
                }
            }
        });
    });
    let details = format!(
        "{done} of 12 deploys done, the rest refused within {:.1} ms; status p99 meanwhile {:.2} ms",
        refused.quantile(1.0),
        delays.quantile(0.99)
    );
    report.figure("a queue that overflows", &details);
}
