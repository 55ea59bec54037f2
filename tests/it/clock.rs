//! The host's clock jumps, back and forward, under the real program: what has to do with durations does not notice,
//! and what is recorded stays in its order. The jumps are those of libfaketime; the monotonic clock stays as it is.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use deploy_agent::audit::Verdict;
use deploy_agent::history::{HistoryOptions, history};
use dreichor_test_support::fake_engine::WhileAway;
use dreichor_test_support::registry::{Fault, What};
use serde_json::{Value, json};

use crate::access_support::{AUDIENCE, KEY, TEAM, claims, header, key_set, now_secs, token, with};
use crate::harness::{Agent, Answer, Kind, World, contract_headers, until};

const DAY: i64 = 24 * 60 * 60;
const YEAR: i64 = 365 * DAY;

/// The clock that the agent sees.
struct Clock(PathBuf, u32);

impl Drop for Clock {
    /// What libfaketime shares in memory stays behind an agent that was killed.
    fn drop(&mut self) {
        for name in ["faketime_shm", "sem.faketime_sem"] {
            std::fs::remove_file(format!("/dev/shm/{name}_{}", self.1)).ok();
        }
    }
}

impl Clock {
    /// Starts an agent whose clock may be set.
    fn and_agent(world: &World) -> (Self, Agent) {
        let mut clock = Self(world.path("clock"), 0);
        clock.set(0);
        let file = clock.0.display().to_string();
        let extra = [
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ];
        let log = world.path("agent.log");
        let agent = Agent::start(&world.env_file(), world.port, &log, &extra);
        clock.1 = agent.pid();
        (clock, agent)
    }

    /// Sets it to so many seconds from the host's.
    fn set(&self, offset: i64) {
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, format!("{offset:+}\n")).expect("written");
        std::fs::rename(&fresh, &self.0).expect("in place at once");
    }
}

fn library() -> &'static str {
    let places = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    ];
    let found = places
        .into_iter()
        .find(|place| std::path::Path::new(place).exists());
    found.expect("libfaketime is installed; ./tests/run does that")
}

fn world() -> World {
    let mut world = World::new(Kind::Fake);
    world.set("START_CONFIRMATION_SECONDS", "0");
    world
}

/// How far the times of two records are apart.
fn seconds(record: &Value) -> i64 {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    let at = record["at"].as_str().expect("a time");
    OffsetDateTime::parse(at, &Rfc3339)
        .expect("RFC 3339")
        .unix_timestamp()
}

#[test]
fn operations_run_and_are_recorded_in_order_whatever_the_clock_says() {
    let world = world();
    world.push("1.0.0", &["run"]);
    let (clock, agent) = Clock::and_agent(&world);
    let jumps = [0, -DAY, YEAR, 0, -20 * YEAR, 50 * YEAR, 0];
    for jump in jumps {
        clock.set(jump);
        let answer = agent.deploy(&world.image("1.0.0"));
        assert_eq!(answer.status, 200, "{jump}: {}", answer.body);
        assert_eq!(agent.status()["running"], true, "{jump}");
    }
    assert_eq!(agent.stop().status, 200);
    let trail = world.trail();
    let spread = |of: fn(i64, i64) -> i64| trail.iter().map(seconds).reduce(of).expect("records");
    assert!(
        spread(i64::max) - spread(i64::min) > 60 * YEAR,
        "the agent saw the jumps"
    );
    let numbers: Vec<u64> = trail
        .iter()
        .map(|record| record["seq"].as_u64().expect("a number"))
        .collect();
    assert_eq!(numbers, (1..=trail.len() as u64).collect::<Vec<_>>());
    for ended in trail
        .iter()
        .filter(|record| record["event"] == "operation_ended")
    {
        let took = ended["duration_ms"].as_u64().expect("a duration");
        assert!(took < 20_000, "{ended}");
    }
    assert_shown_in_order(&world, jumps.len() + 1);
    drop(agent);
    // Across a start with a clock that is behind the trail.
    let (clock, agent) = Clock::and_agent(&world);
    clock.set(-DAY);
    assert_eq!(agent.stop().status, 200);
    assert_shown_in_order(&world, jumps.len() + 2);
}

/// `verify` calls the trail intact, and `history` shows every operation in the order of the trail.
fn assert_shown_in_order(world: &World, operations: usize) {
    let state = world.path("state");
    let (verdict, said) = crate::trail::fixture::verdict_of(&state, None, false);
    assert_eq!(verdict, Verdict::Intact, "{said}");
    let options = HistoryOptions {
        path: state,
        json: true,
        ..HistoryOptions::default()
    };
    let mut shown = Vec::new();
    history(&options, &mut shown).expect("readable");
    let text = String::from_utf8(shown).expect("text");
    let shown: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        // That the runtime is down still is told behind the operations.
        .filter(|row| row["kind"] != "outage")
        .map(|row| row["operation"].clone())
        .collect();
    let written = world.events("operation_ended");
    let written: Vec<Value> = written
        .into_iter()
        .map(|record| record["operation"].clone())
        .collect();
    assert_eq!(shown.len(), operations);
    assert_eq!(shown, written);
}

#[test]
fn a_jump_during_an_operation_neither_ends_nor_prolongs_it() {
    let mut world = world();
    world.set("STOP_GRACE_SECONDS", "2");
    world.set("OPERATION_BUDGET_SECONDS", "33");
    world.push("1.0.0", &["ignore-term"]);
    world.push("2.0.0", &["run"]);
    let (clock, agent) = Clock::and_agent(&world);
    for jump in [YEAR, -DAY] {
        clock.set(0);
        assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
        let answer = jumping(&world, &agent, &clock, jump, "2.0.0", "stop");
        assert_eq!(answer.0.status, 200, "{jump}: {}", answer.0.body);
        assert!(answer.1 < Duration::from_secs(15), "{jump}: {:?}", answer.1);
    }
    // The deadline of a pull that stalls: five seconds and some, with or without a jump.
    for (jump, tag) in [(YEAR, "3.0.0"), (-DAY, "3.0.1")] {
        clock.set(0);
        world.push(tag, &["run"]);
        world.registry.fault(What::Manifest, Fault::Stall);
        let (answer, took) = jumping(&world, &agent, &clock, jump, tag, "pull");
        world.registry.heal();
        assert_eq!(answer.status, 504, "{jump}: {}", answer.body);
        let wanted = Duration::from_secs(4)..Duration::from_secs(20);
        assert!(wanted.contains(&took), "{jump}: {took:?}");
    }
}

/// Deploys, and sets the clock once this step has begun.
fn jumping(
    world: &World,
    agent: &Agent,
    clock: &Clock,
    jump: i64,
    tag: &str,
    step: &str,
) -> (Answer, Duration) {
    let begun = |world: &World| {
        let steps = world.events("step_started");
        steps.iter().filter(|record| record["step"] == step).count()
    };
    let before = begun(world);
    let image = world.image(tag);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let deploy = scope.spawn(|| agent.deploy(&image));
        until("the step begins", Duration::from_secs(10), || {
            begun(world) > before
        });
        clock.set(jump);
        let answer = deploy.join().expect("answered");
        (answer, start.elapsed())
    })
}

#[test]
fn the_age_of_the_view_does_not_follow_the_clock() {
    let world = world();
    let (clock, agent) = Clock::and_agent(&world);
    agent.status_until(Duration::from_secs(30), |answer| answer.status == 200);
    clock.set(YEAR);
    assert_eq!(agent.status_answer().status, 200, "it is not a year old");
    let fake = world.fake.as_ref().expect("a fake engine");
    fake.crash(WhileAway::Killed);
    clock.set(-DAY);
    let begun = Instant::now();
    let answer = agent.status_until(Duration::from_secs(10), |answer| answer.status == 503);
    assert!(
        begun.elapsed() > Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        answer.reason().contains("it was last seen at"),
        "{}",
        answer.body
    );
    fake.start_listening();
    agent.status_until(Duration::from_secs(10), |answer| answer.status == 200);
}

#[test]
fn the_budget_of_recorded_refusals_neither_opens_nor_jams_with_the_clock() {
    let world = world();
    let (clock, agent) = Clock::and_agent(&world);
    let flood = || {
        for _ in 0..40 {
            assert_eq!(agent.request("POST", "/v1/stop", &[], "").status, 401);
        }
    };
    let recorded = || world.events("rejected").len();
    let begun = Instant::now();
    flood();
    for jump in [YEAR, -DAY, 0] {
        clock.set(jump);
        flood();
        let most = 21 + begun.elapsed().as_secs() as usize;
        assert!(recorded() <= most, "{jump}: {} of {most}", recorded());
    }
    clock.set(-DAY);
    let before = recorded();
    until("the budget fills again", Duration::from_secs(10), || {
        agent.request("POST", "/v1/stop", &[], "");
        recorded() > before
    });
}

#[test]
fn an_assertion_is_judged_by_the_clock_and_the_keys_come_back_after_a_jump() {
    let mut world = world();
    let keys = world.path("keys.json");
    std::fs::write(&keys, key_set(&[("one", &KEY)])).expect("written");
    world.set("CF_ACCESS_TEAM_DOMAIN", TEAM);
    world.set("CF_ACCESS_AUD", AUDIENCE);
    world.set("CF_ACCESS_CERTS_URL", &format!("file:{}", keys.display()));
    let (clock, agent) = Clock::and_agent(&world);
    // Issued five seconds before, good for 300, as the clock will be then.
    let signed = |at: i64| {
        let now = i64::try_from(now_secs()).expect("a time") + at;
        let claims = with(claims(), "common_name", json!("ci.access"));
        let claims = with(claims, "iat", json!(now - 5));
        token(&KEY, &header(), &with(claims, "exp", json!(now + 300)))
    };
    let asked = |token: &str| {
        let [id, secret, kind] = contract_headers();
        let headers = [id, secret, kind, ("Cf-Access-Jwt-Assertion", token)];
        agent.request("GET", "/v1/status", &headers, "").status
    };
    let token = signed(0);
    until("the keys are there", Duration::from_secs(10), || {
        asked(&token) == 200
    });
    // The leeway is 30 seconds on both sides.
    for (offset, code) in [
        (320, 200),
        (345, 403),
        (-20, 200),
        (-60, 403),
        (DAY, 403),
        (-DAY, 403),
        (0, 200),
    ] {
        clock.set(offset);
        assert_eq!(asked(&token), code, "{offset}");
    }
    // Past the week for which keys are good without being confirmed.
    clock.set(30 * DAY);
    let later = signed(30 * DAY);
    until("the keys are confirmed", Duration::from_secs(45), || {
        asked(&later) == 200
    });
    assert_eq!(asked(&token), 403);
    clock.set(0);
    assert_eq!(asked(&signed(0)), 200, "and back");
    clock.set(-30 * DAY);
    assert_eq!(asked(&signed(-30 * DAY)), 200);
}

#[test]
fn a_freeze_holds_while_the_clock_is_before_its_end_however_it_got_there() {
    let world = world();
    world.push("1.0.0", &["run"]);
    let (clock, agent) = Clock::and_agent(&world);
    let asked = || agent.deploy(&world.image("1.0.0")).status;
    let (code, said) = world.operator("freeze", &["--reason", "x", "--until", "2h"]);
    assert_eq!(code, 0, "{said}");
    for (offset, code) in [
        (0, 423),
        (60 * 60, 423),
        (3 * 60 * 60, 200),
        (0, 423),
        (YEAR, 200),
        (-DAY, 423),
        (-20 * YEAR, 423),
    ] {
        clock.set(offset);
        assert_eq!(asked(), code, "{offset}");
    }
    // Whatever the clock says, a stop is never frozen and a thaw ends it.
    assert_eq!(agent.stop().status, 200);
    assert_eq!(world.operator("thaw", &[]).0, 0);
    assert_eq!(asked(), 200);
    // Asked for by the agent's clock, which is behind.
    assert_eq!(
        world
            .operator("freeze", &["--reason", "x", "--until", "2h"])
            .0,
        0
    );
    assert_eq!(asked(), 423);
    clock.set(0);
    assert_eq!(asked(), 200);
}
