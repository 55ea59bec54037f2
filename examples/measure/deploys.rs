//! Replacing a container: the time until the answer, and the time without a running container.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use crate::engine::{Engine, Events};
use crate::figures::{Goal, Report, Sample};
use crate::host::{Host, TAGS};
use crate::server::Server;
use crate::{Effort, between};

/// The steps of a deploy, as the trail names them.
const STEPS: [&str; 8] = [
    "preflight",
    "pull",
    "verify",
    "stop",
    "remove",
    "create",
    "start",
    "confirm",
];

/// What the engine says of a replacement, in order: the end of the old container to the start of the new one.
const EVENTS: [&str; 4] = ["die", "destroy", "create", "start"];

/// Milliseconds, of the agent and of the bare calls.
#[derive(Default)]
struct Series {
    reply: Sample,
    downtime: Sample,
    /// Between one of the events and the next.
    between: [Sample; EVENTS.len() - 1],
}

/// Milliseconds by step.
pub type Steps = BTreeMap<&'static str, Sample>;

pub fn measure(host: &Host, effort: Effort, report: &mut Report) {
    let agent = host.agent("state");
    let mut engine = Engine::connect();
    let mut steps = Steps::new();
    let events = Events::of(&[&host.name, &host.bare_name]);
    // The first of each has nothing to replace.
    by_agent(host, &agent, TAGS[1]);
    bare(host, &mut engine, TAGS[1], &mut Steps::new());
    events.forget();
    let (mut agents, mut bares) = (Series::default(), Series::default());
    for pair in 0..effort.deploy_pairs {
        let tag = TAGS[pair % 2];
        let mut by_agent = || take(&events, &mut agents, || by_agent(host, &agent, tag));
        let mut by_hand = || bare(host, &mut engine, tag, &mut steps);
        // Whoever goes second may find the engine warmer.
        if pair % 4 < 2 {
            by_agent();
            take(&events, &mut bares, by_hand);
        } else {
            take(&events, &mut bares, &mut by_hand);
            by_agent();
        }
    }
    judge(&agents, &bares, report);
    drop(agent);
    between::measure(host, effort.relayed_pairs, &bares.downtime, report);
    by_step(&recorded_steps(host), &steps, report);
}

fn judge(agents: &Series, bares: &Series, report: &mut Report) {
    let reply = (&agents.reply, &bares.reply);
    report.ratio(
        "deploy reply over bare calls",
        reply,
        "ms",
        Goal::AtMost(1.05),
    );
    let downtime = (&agents.downtime, &bares.downtime);
    report.ratio(
        "downtime over bare calls",
        downtime,
        "ms",
        Goal::AtMost(1.02),
    );
    let (reply, downtime) = (bares.reply.over_itself(), bares.downtime.over_itself());
    let details = format!("reply {reply}, downtime {downtime}");
    report.figure("by chance: bare calls over bare calls", &details);
    for (at, pair) in EVENTS.windows(2).enumerate() {
        let added = agents.between[at].less(&bares.between[at]);
        let (agent, bare) = (
            agents.between[at].shown("ms"),
            bares.between[at].shown("ms"),
        );
        let details = format!("agent {agent}, bare {bare}; the agent adds {added} ms");
        report.figure(&format!("  {} to {}", pair[0], pair[1]), &details);
    }
}

/// Where the time goes: the medians of each step.
fn by_step(agents: &Steps, bares: &Steps, report: &Report) {
    let median = |steps: &Steps, step| steps.get(step).map_or(0.0, Sample::median);
    let shown = STEPS.map(|step| {
        format!(
            "{step} {:.0}/{:.0}",
            median(agents, step),
            median(bares, step)
        )
    });
    report.figure("by step, agent/bare in ms", &shown.join(", "));
}

/// The durations that the agent has recorded, without those of the first deploy.
fn recorded_steps(host: &Host) -> Steps {
    let trail = fs::read_to_string(host.directory.join("state/audit.jsonl")).expect("a trail");
    let mut steps = Steps::new();
    for line in trail.lines() {
        let record: Value = serde_json::from_str(line).expect("a record");
        let step = STEPS.iter().find(|step| record["step"] == **step);
        if let (Some(step), Some(took)) = (step, record["duration_ms"].as_f64()) {
            steps.entry(step).or_default().push(took);
        }
    }
    steps
}

/// Deploys, times the answer, and reads the downtime off the engine's events.
fn take(events: &Events, series: &mut Series, deploy: impl FnOnce()) {
    let begun = Instant::now();
    deploy();
    series.reply.push_ms(begun.elapsed());
    let seen = EVENTS.map(|action| events.next(action));
    assert_ne!(seen[0].container, seen[3].container, "it was replaced");
    let ms = |from: usize, to: usize| seen[to].at.saturating_sub(seen[from].at) as f64 / 1e6;
    series.downtime.push(ms(0, 3));
    for (at, between) in series.between.iter_mut().enumerate() {
        between.push(ms(at, at + 1));
    }
}

pub fn by_agent(host: &Host, agent: &Server, tag: &str) {
    let answer = agent.deploy(host, tag);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The steps of a deploy and nothing else: version, info, pull, image inspect, container inspect, stop, remove, create,
/// start, inspect.
pub fn bare(host: &Host, engine: &mut Engine, tag: &str, steps: &mut Steps) {
    let (name, repository) = (&host.bare_name, &host.repository);
    let mut begun = Instant::now();
    let mut step = |step| {
        steps.entry(step).or_default().push_ms(begun.elapsed());
        begun = Instant::now();
    };
    engine.call("GET", "/version", None);
    engine.call("GET", "/info", None);
    step("preflight");
    let pull = format!("/images/create?fromImage={repository}&tag={tag}");
    let pulled = engine.call("POST", &pull, None).body;
    assert!(pulled.contains("Digest: sha256:"), "{pulled}");
    engine.call("GET", &format!("/images/{repository}:{tag}/json"), None);
    step("pull");
    let old = engine.id_of(name);
    step("verify");
    if let Some(old) = old {
        engine.call("POST", &format!("/containers/{old}/stop?t=10"), None);
        step("stop");
        engine.call("DELETE", &format!("/containers/{old}?v=1"), None);
        step("remove");
    }
    let create = format!("/containers/create?name={name}");
    let created = engine.call("POST", &create, Some(&body(host, tag))).json();
    let id = created["Id"].as_str().expect("an id");
    step("create");
    engine.call("POST", &format!("/containers/{id}/start"), None);
    step("start");
    engine.call("GET", &format!("/containers/{id}/json"), None);
    step("confirm");
}

/// What the agent asks for as well.
fn body(host: &Host, tag: &str) -> Value {
    let bind = |inside: &str| {
        json!({
            "Type": "bind",
            "Source": host.directory.join("volumes").join(inside),
            "Target": format!("/var/lib/dreichor/{inside}"),
            "ReadOnly": false,
        })
    };
    json!({
        "Image": format!("{}:{tag}", host.repository),
        "Env": ["EXECUTION_PLANE=paper", "DATABASE_URL=postgres://localhost/benchmark"],
        "Labels": { "benchmark": "bare" },
        "StopSignal": "SIGTERM",
        "HostConfig": {
            "Mounts": [bind("audit-events"), bind("snapshots")],
            "NetworkMode": "host",
            "RestartPolicy": { "Name": "unless-stopped" },
            "CapDrop": ["NET_RAW"],
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": { "Type": "json-file", "Config": { "max-size": "10m", "max-file": "3" } },
        },
    })
}
