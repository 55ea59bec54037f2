//! Replacing a container: the time until the answer, and the time without a running container.

use std::time::Instant;

use serde_json::json;

use crate::Effort;
use crate::engine::{Engine, Events};
use crate::figures::{Goal, Report, Sample};
use crate::host::{Host, Server, TAGS};

/// Reply times and downtimes in milliseconds, of the agent and of the bare calls.
#[derive(Default)]
struct Series {
    reply: Sample,
    downtime: Sample,
}

pub fn measure(host: &Host, effort: Effort, report: &mut Report) {
    let agent = host.agent("state");
    let mut engine = Engine::connect();
    let events = Events::of(&[&host.name, &host.bare_name]);
    // The first of each has nothing to replace.
    by_agent(host, &agent, TAGS[1]);
    bare(host, &mut engine, TAGS[1]);
    events.forget();
    let (mut agents, mut bares) = (Series::default(), Series::default());
    for pair in 0..effort.deploy_pairs {
        let tag = TAGS[pair % 2];
        let mut by_agent = || take(&events, &mut agents, || by_agent(host, &agent, tag));
        // Whoever goes second may find the engine warmer.
        if pair % 4 < 2 {
            by_agent();
            take(&events, &mut bares, || bare(host, &mut engine, tag));
        } else {
            take(&events, &mut bares, || bare(host, &mut engine, tag));
            by_agent();
        }
    }
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
}

/// Deploys, times the answer, and reads the downtime off the engine's events.
fn take(events: &Events, series: &mut Series, deploy: impl FnOnce()) {
    let begun = Instant::now();
    deploy();
    series.reply.push_ms(begun.elapsed());
    let died = events.next("die");
    let started = events.next("start");
    assert_ne!(died.container, started.container, "it was replaced");
    series
        .downtime
        .push(started.at.saturating_sub(died.at) as f64 / 1e6);
}

fn by_agent(host: &Host, agent: &Server, tag: &str) {
    let answer = agent.deploy(host, tag);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The steps of a deploy and nothing else: version, pull, image inspect, container inspect, stop, remove, create,
/// start, inspect.
pub fn bare(host: &Host, engine: &mut Engine, tag: &str) {
    let (name, repository) = (&host.bare_name, &host.repository);
    engine.call("GET", "/version", None);
    let pull = format!("/images/create?fromImage={repository}&tag={tag}");
    let pulled = engine.call("POST", &pull, None).text();
    assert!(pulled.contains("Digest: sha256:"), "{pulled}");
    engine.call("GET", &format!("/images/{repository}:{tag}/json"), None);
    if let Some(old) = engine.id_of(name) {
        engine.call("POST", &format!("/containers/{old}/stop?t=10"), None);
        engine.call("DELETE", &format!("/containers/{old}?v=1"), None);
    }
    let create = format!("/containers/create?name={name}");
    let created = engine.call("POST", &create, Some(&body(host, tag))).json();
    let id = created["Id"].as_str().expect("an id");
    engine.call("POST", &format!("/containers/{id}/start"), None);
    engine.call("GET", &format!("/containers/{id}/json"), None);
}

/// What the agent asks for as well.
fn body(host: &Host, tag: &str) -> serde_json::Value {
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
        "HostConfig": {
            "Mounts": [bind("audit-events"), bind("snapshots")],
            "NetworkMode": "host",
            "RestartPolicy": { "Name": "unless-stopped" },
            "Init": false,
        },
    })
}
