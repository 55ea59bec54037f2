//! How late a status is while deploys run, beside the bare route: in all, and without the time for which it only waited
//! for a core. A deploy keeps the engine busy on every core of a small machine.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Effort;
use crate::figures::{Goal, Report, Sample};
use crate::host::{Host, TAGS};
use crate::process::{self, CoreWait};
use crate::server::{Server, status_request};

/// Between two requests.
const INTERVAL: Duration = Duration::from_millis(1);
/// About that of the agent's answer.
const STATUS_SIZE: usize = 190;
/// How long the delays of an idle server are taken before each deploy.
const IDLE: Duration = Duration::from_millis(500);

/// How agent and bare route are started.
struct Way {
    /// Of its figure.
    name: &'static str,
    launcher: &'static [&'static str],
}

const WAYS: [Way; 2] = [
    Way {
        name: "p99 while deploys run over the idle one",
        launcher: &[],
    },
    Way {
        name: "the same with CPUSchedulingPolicy=rr",
        launcher: &["chrt", "--rr", "1"],
    },
];

/// Milliseconds.
#[derive(Clone, Default)]
pub struct Delays {
    /// From the request to the answer.
    pub whole: Sample,
    /// The same without the time in which server or client could run and had no core.
    own: Sample,
}

/// Of an idle server, and while deploys run.
#[derive(Default)]
struct Series {
    idle: Delays,
    busy: Delays,
}

pub fn measure(host: &Host, effort: Effort, report: &mut Report) {
    let mut all: [[Series; 2]; WAYS.len()] = Default::default();
    for turn in 0..effort.busy_deploys {
        for (way, series) in WAYS.iter().zip(&mut all) {
            if !way.is_open() {
                continue;
            }
            let agent = host.agent_by(way.launcher, "state");
            let bare = host.bare_front_by(way.launcher, STATUS_SIZE);
            one_deploy(host, [&agent, &bare], TAGS[turn % 2], series);
        }
    }
    for (way, [agent, bare]) in WAYS.iter().zip(&all) {
        if !way.is_open() {
            report.figure(way.name, "not measured: only root may set it");
            continue;
        }
        let details = format!(
            "{}; the bare route beside it {:.3}, {}",
            agent.p99s(),
            bare.ratio(),
            bare.p99s()
        );
        report.judged(way.name, agent.ratio(), Goal::AtMost(2.0), &details);
        let details = format!("agent {}; bare {}", agent.own(), bare.own());
        report.figure("  without the waits for a core", &details);
    }
}

fn one_deploy(host: &Host, servers: [&Server; 2], tag: &str, series: &mut [Series; 2]) {
    let end = Instant::now() + IDLE;
    let idle = std::thread::scope(|scope| {
        let delays = scope.spawn(|| paced(servers, || Instant::now() < end));
        delays.join().expect("every status was answered")
    });
    let busy = beside(servers, || {
        let answer = servers[0].deploy(host, tag);
        assert_eq!(answer.status, 200, "{}", answer.body);
    });
    for (series, (idle, busy)) in series.iter_mut().zip(idle.into_iter().zip(busy)) {
        series.idle.extend(idle);
        series.busy.extend(busy);
    }
}

impl Series {
    fn ratio(&self) -> f64 {
        self.busy.whole.quantile(0.99) / self.idle.whole.quantile(0.99)
    }

    fn p99s(&self) -> String {
        over(&self.busy.whole, &self.idle.whole)
    }

    fn own(&self) -> String {
        let ratio = self.busy.own.quantile(0.99) / self.idle.own.quantile(0.99);
        format!("{ratio:.3}, {}", over(&self.busy.own, &self.idle.own))
    }
}

fn over(busy: &Sample, idle: &Sample) -> String {
    format!(
        "{:.2} over {:.2} ms",
        busy.quantile(0.99),
        idle.quantile(0.99)
    )
}

impl Way {
    fn is_open(&self) -> bool {
        match self.launcher {
            [] => true,
            [first, rest @ ..] => {
                let tried = Command::new(first).args(rest).arg("true").output();
                tried.is_ok_and(|tried| tried.status.success())
            }
        }
    }
}

impl Delays {
    fn extend(&mut self, other: Self) {
        self.whole.extend(other.whole);
        self.own.extend(other.own);
    }
}

/// Delays of requests that come at a steady interval to each of the servers in turn, until told to end. What the machine
/// adds strikes all of them alike. The client goes before everything else, so that its own lateness is not theirs.
fn paced<const N: usize>(servers: [&Server; N], goes_on: impl Fn() -> bool) -> [Delays; N] {
    process::go_first();
    let request = status_request();
    let mut waits = servers.map(|server| CoreWait::of_workers(server.pid()));
    let mut all: [Delays; N] = std::array::from_fn(|_| Delays::default());
    while goes_on() {
        for ((server, wait), delays) in servers.iter().zip(&mut waits).zip(&mut all) {
            let before = wait.so_far();
            let asked = Instant::now();
            let answer = server.ask(&request);
            let whole = asked.elapsed();
            assert_eq!(answer.status, 200);
            delays.whole.push_ms(whole);
            delays
                .own
                .push_ms(whole.saturating_sub(wait.so_far() - before));
            std::thread::sleep(INTERVAL);
        }
    }
    all
}

/// The same beside some work.
pub fn beside<const N: usize>(servers: [&Server; N], work: impl FnOnce()) -> [Delays; N] {
    let goes_on = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let delays = scope.spawn(|| paced(servers, || goes_on.load(Ordering::Relaxed)));
        work();
        goes_on.store(false, Ordering::Relaxed);
        delays.join().expect("every status was answered")
    })
}
