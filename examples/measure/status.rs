//! Status against a bare route: how many a second, at which processor time each, how late the slowest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Effort;
use crate::figures::{Goal, Report, Sample};
use crate::host::{Host, Server, TAGS, status_request};
use crate::process;

/// Connections under load, asked all at once by one client thread: the client costs little and is the same for both.
const CONNECTIONS: usize = 32;
/// Between two requests when only their delay is of interest.
const PACE: Duration = Duration::from_millis(1);
/// How long the delays of an idle server are taken before each deploy.
const IDLE: Duration = Duration::from_millis(500);

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
    while_deploying(host, effort, [&agent, &bare], report);
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
    series.processor.push(cpu / done);
    series.p99.push(delays.quantile(0.99));
}

/// Delays of requests that come at a steady pace to each of the servers in turn, until told to end. What the machine
/// adds strikes all of them alike.
fn paced<const N: usize>(servers: [&Server; N], goes_on: impl Fn() -> bool) -> [Sample; N] {
    let request = status_request();
    let mut connections = servers.map(Server::connect);
    let mut delays = [const { Sample::new() }; N];
    while goes_on() {
        for (connection, delays) in connections.iter_mut().zip(&mut delays) {
            let asked = Instant::now();
            let answer = connection.exchange(&request).expect("an answer");
            assert_eq!(answer.status, 200);
            delays.push_ms(asked.elapsed());
            std::thread::sleep(PACE);
        }
    }
    delays
}

/// The same beside some work.
fn beside<const N: usize>(servers: [&Server; N], work: impl FnOnce()) -> [Sample; N] {
    let goes_on = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let delays = scope.spawn(|| paced(servers, || goes_on.load(Ordering::Relaxed)));
        work();
        goes_on.store(false, Ordering::Relaxed);
        delays.join().expect("every status was answered")
    })
}

/// Delays while deploys run over those of an idle agent; the bare route's beside them are what the machine adds.
fn while_deploying(host: &Host, effort: Effort, servers: [&Server; 2], report: &mut Report) {
    let mut idle = [const { Sample::new() }; 2];
    let mut busy = idle.clone();
    for turn in 0..effort.busy_deploys {
        let end = Instant::now() + IDLE;
        let delays = paced(servers, || Instant::now() < end);
        idle.iter_mut()
            .zip(delays)
            .for_each(|(all, these)| all.extend(these));
        let delays = beside(servers, || {
            let answer = servers[0].deploy(host, TAGS[turn % 2]);
            assert_eq!(answer.status, 200, "{}", answer.text());
        });
        busy.iter_mut()
            .zip(delays)
            .for_each(|(all, these)| all.extend(these));
    }
    let [agent_idle, bare_idle] = idle.map(|delays| delays.quantile(0.99));
    let [agent_busy, bare_busy] = busy.map(|delays| delays.quantile(0.99));
    let details = format!(
        "agent {agent_busy:.2} over {agent_idle:.2} ms; the bare route beside it {bare_busy:.2} over {bare_idle:.2} ms, {:.3}",
        bare_busy / bare_idle
    );
    let name = "p99 while deploys run over the idle one";
    report.judged(name, agent_busy / agent_idle, Goal::AtMost(2.0), &details);
    let over = format!("{:.3}", agent_busy / bare_busy);
    report.figure("p99 while deploys run over the bare route's", &over);
}

/// More deploys at once than the queue holds: status goes on, and the surplus is refused at once.
fn full_queue(host: &Host, agent: &Server, report: &Report) {
    let mut refused = Sample::default();
    let mut done = 0;
    let [delays] = beside([agent], || {
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
