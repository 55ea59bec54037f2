//! Acts of somebody else that leave the process as it is, and acts close together: each has its own time, and an outage
//! lasts from the act that began it to the one that ended it, as the status says meanwhile.

use std::time::Duration;

use dreichor_test_support::fake_engine::{ErrorBody, Fault, Kind as Fails, Verb};
use serde_json::Value;

use crate::harness::{Agent, Kind, World, downtime_ms, until};

on_both_engines!(
    a_pause_is_an_outage_of_its_own_after_a_restart_too,
    a_runtime_without_its_name_does_not_run_and_has_an_outage,
    acts_close_together_before_a_deploy_keep_their_times,
    what_no_event_told_before_a_deploy_is_recorded_with_the_start_that_was_seen,
);

const SOON: Duration = Duration::from_secs(30);
/// Longer than the end of an act is waited for.
const WHOLE: Duration = Duration::from_secs(4);
/// Shorter than that.
const CLOSE: Duration = Duration::from_secs(1);

fn deployed(world: &mut World) -> (Agent, String) {
    deployed_by(world, "no")
}

fn deployed_by(world: &mut World, policy: &str) -> (Agent, String) {
    world.set("STOP_GRACE_SECONDS", "0");
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.set("RUNTIME_RESTART_POLICY", policy);
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    (agent, world.id())
}

fn running(agent: &Agent, running: bool) {
    agent.status_until(SOON, |answer| answer.json()["running"] == running);
}

fn a_pause_is_an_outage_of_its_own_after_a_restart_too(mut world: World) {
    let (agent, id) = deployed(&mut world);
    world.act(&id, "restart?t=10");
    let restarted = world.observed(2);
    assert_eq!(restarted["up"], true, "{restarted}");
    let row = world.rows().pop().expect("a row");
    assert_eq!(row["outage"]["since"], restarted["ended_at"], "{row}");
    assert_eq!(row["outage"]["until"], restarted["started_at"], "{row}");
    world.act(&id, "pause");
    running(&agent, false);
    let paused = world.observed(3);
    let down = world.rows().pop().expect("a row");
    assert_eq!(down["since"], paused["acted_at"], "{down}");
    let (_, said) = world.operator("status", &[]);
    let since = paused["acted_at"].as_str().expect("a time");
    let shown = format!("is not running; down since {since}: paused by somebody");
    assert!(said.contains(&shown), "{said}");
    std::thread::sleep(WHOLE);
    world.act(&id, "unpause");
    running(&agent, true);
    let unpaused = world.observed(4);
    let row = world.rows().pop().expect("a row");
    assert_eq!(row["outage"]["since"], paused["acted_at"], "{row}");
    assert_eq!(row["outage"]["until"], unpaused["acted_at"], "{row}");
    assert!((4000..20_000).contains(&downtime_ms(&row)), "{row}");
}

fn a_runtime_without_its_name_does_not_run_and_has_an_outage(mut world: World) {
    let (agent, id) = deployed(&mut world);
    let aside = format!("rename?name={}-aside", world.name);
    let back = format!("rename?name={}", world.name);
    world.act(&id, &aside);
    running(&agent, false);
    let away = world.observed(2);
    std::thread::sleep(WHOLE);
    world.act(&id, &back);
    running(&agent, true);
    let came = world.observed(3);
    assert_eq!((&away["up"], &came["up"]), (&false.into(), &true.into()));
    let row = world.rows().pop().expect("a row");
    assert_eq!(row["outage"]["since"], away["acted_at"], "{row}");
    assert_eq!(row["outage"]["until"], came["acted_at"], "{row}");
    assert!((4000..20_000).contains(&downtime_ms(&row)), "{row}");
}

fn acts_close_together_before_a_deploy_keep_their_times(mut world: World) {
    let (agent, id) = deployed(&mut world);
    let aside = format!("rename?name={}-aside", world.name);
    let back = format!("rename?name={}", world.name);
    for act in [&aside, &back] {
        world.act(&id, act);
        std::thread::sleep(CLOSE);
    }
    world.remove(&id);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    until("it is recorded", SOON, || {
        world.events("runtime_observed").len() >= 4
    });
    let records = world.events("runtime_observed");
    let words = |record: &Value| {
        let text = |field: &str| record[field].as_str().expect("a word").to_owned();
        assert!(record["acted_at"].is_string(), "{record}");
        format!("{} {} {}", text("observed"), text("by"), record["up"])
    };
    let said: Vec<String> = records[1..].iter().map(words).collect();
    assert_eq!(
        said,
        [
            "renamed somebody false",
            "renamed somebody true",
            "removed somebody false"
        ]
    );
    let rows = world.rows();
    let deploy = rows.last().expect("a row");
    assert_eq!(
        deploy["outage"]["since"], records[3]["ended_at"],
        "{deploy}"
    );
    assert!(downtime_ms(deploy) >= 1500, "{deploy}");
    let renamed = &rows[rows.len() - 3];
    assert!((1000..5000).contains(&downtime_ms(renamed)), "{renamed}");
}

fn what_no_event_told_before_a_deploy_is_recorded_with_the_start_that_was_seen(mut world: World) {
    let proxy = world.proxied();
    let plain = ErrorBody::Plain("no events today".to_owned());
    let deaf = Fault::before(Verb::Events, Fails::Status(500, plain));
    world.controls(&proxy).inject(deaf);
    // Looked at every 20 s: the deploy comes before.
    world.set("STATUS_MAX_AGE_SECONDS", "60");
    let (agent, id) = deployed(&mut world);
    world.act(&id, "stop?t=10");
    std::thread::sleep(CLOSE);
    world.act(&id, "start");
    let state = world.shown()["State"].clone();
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    let rows = world.rows();
    let [.., restarted, deploy] = &rows[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(restarted["observed"], "restarted", "{restarted}");
    assert_eq!(restarted["outage"]["since"], state["FinishedAt"]);
    assert_eq!(restarted["outage"]["until"], state["StartedAt"]);
    assert!(downtime_ms(restarted) >= 1000, "{restarted}");
    let own = world.last_outcome();
    assert_eq!(deploy["outage"]["since"], own["down_since"], "{deploy}");
    assert!(
        downtime_ms(deploy) < 1000 + downtime_ms(restarted),
        "{deploy}"
    );
}

/// An engine that restarts in order tells the runtime's end, and cannot tell its return. With live-restore it has neither.
#[test]
fn a_real_engine_that_restarts_shortly_before_a_deploy_leaves_an_outage_of_its_own() {
    let mut world = World::new(Kind::Real);
    world.own_engine();
    let (agent, _) = deployed_by(&mut world, "unless-stopped");
    let stays = world.engine("GET", "/info", None).json()["LiveRestoreEnabled"] == true;
    let before = world.shown()["State"]["StartedAt"].clone();
    world.bring_engine_back(true);
    until("the engine brings it back", SOON, || {
        let state = world.shown()["State"].clone();
        state["Running"] == true && (stays || state["StartedAt"] != before)
    });
    let state = world.shown()["State"].clone();
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows = world.rows();
    let [.., last, deploy] = &rows[..] else {
        panic!("{rows:#?}")
    };
    if stays {
        assert_eq!(state["StartedAt"], before);
        assert!(last["outage"].is_null(), "{rows:#?}");
    } else {
        assert_eq!(last["outage"]["until"], state["StartedAt"], "{rows:#?}");
    }
    let own = world.last_outcome();
    assert_eq!(deploy["outage"]["since"], own["down_since"], "{rows:#?}");
    assert_eq!(deploy["outage"]["until"], own["up_since"], "{rows:#?}");
}
