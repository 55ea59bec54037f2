//! Downtime is the time without a running runtime, from its end to the next start that holds, whatever lies between; who
//! asks the history is told it, and why.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Agent, World, downtime_ms, until};

on_both_engines!(
    a_crash_deploy_leaves_the_runtime_down_until_the_next_start_that_holds,
    a_killed_runtime_is_down_until_a_deploy_and_the_history_says_who_ended_it,
    a_restart_by_hand_is_an_outage_of_its_own,
);

const SOON: Duration = Duration::from_secs(30);

fn quick(world: &mut World) -> Agent {
    world.set("STOP_GRACE_SECONDS", "0");
    world.set("RUNTIME_RESTART_POLICY", "no");
    world.push("1.0.0", &["run"]);
    world.push("2.0.0", &["run"]);
    world.push("0.0.1", &["crash-after", "400"]);
    world.agent()
}

fn a_crash_deploy_leaves_the_runtime_down_until_the_next_start_that_holds(mut world: World) {
    let agent = quick(&mut world);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert_eq!(agent.deploy(&world.image("0.0.1")).status, 500);
    let failed = world.last_outcome();
    assert!(
        failed["down_since"].is_string() && failed["up_since"].is_null(),
        "{failed}"
    );
    assert!(
        failed["downtime_ms"].is_null(),
        "it is down still: {failed}"
    );
    let said = world.history(&[]);
    assert!(
        said.contains("\ndown since 20") && said.contains(": deploy 0.0.1 that failed"),
        "{said}"
    );
    assert_eq!(world.rows().pop().expect("a row")["down"], true);
    // A stop of what is down begins nothing new.
    assert_eq!(agent.stop().status, 200);
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    let rows = world.rows();
    let [first, crash, stop, good] = &rows[..] else {
        panic!("{rows:#?}")
    };
    assert!(
        first["downtime_ms"].is_null() && first["outage"].is_null(),
        "{first}"
    );
    assert_eq!(
        (&crash["down"], &stop["down"]),
        (&Value::Bool(true), &Value::Bool(true))
    );
    assert_eq!(good["outage"]["cause"], "deploy 0.0.1 that failed");
    assert_eq!(good["outage"]["since"], failed["down_since"]);
    // The window of the crash and that of nothing; its own part alone is shorter.
    let own = world.last_outcome()["duration_ms"]
        .as_u64()
        .expect("a time");
    assert!(
        downtime_ms(good) > 400 && downtime_ms(good) < 60_000 && own > 0,
        "{good}"
    );
    let said = world.history(&[]);
    assert!(
        said.contains("\noutages: 1, 0 of them ended by no operation"),
        "{said}"
    );
    assert!(!said.contains("\ndown since"), "{said}");
}

fn a_killed_runtime_is_down_until_a_deploy_and_the_history_says_who_ended_it(mut world: World) {
    let agent = quick(&mut world);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    world.act(&world.id(), "kill?signal=KILL");
    until("it is recorded", SOON, || {
        world.events("runtime_observed").len() == 2
    });
    let said = world.history(&[]);
    assert!(said.contains("\ndown since 20"), "{said}");
    assert!(
        said.contains(": killed by somebody, exit code 137"),
        "{said}"
    );
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 200);
    let rows = world.rows();
    let deployed = rows.last().expect("a row");
    assert_eq!(
        deployed["outage"]["cause"],
        "killed by somebody, exit code 137"
    );
    // From the kill on, not from the stop of what was dead.
    assert!(downtime_ms(deployed) >= 2000, "{deployed}");
    let observed = rows
        .iter()
        .find(|row| row["kind"] == "observed")
        .expect("a row");
    assert_eq!(
        (&observed["observed"], &observed["down"]),
        (&"killed".into(), &true.into())
    );
    let said = world.history(&["--failed"]);
    assert!(said.contains("killed by somebody"), "{said}");
}

fn a_restart_by_hand_is_an_outage_of_its_own(mut world: World) {
    let agent = quick(&mut world);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let id = world.id();
    world.act(&id, "stop?t=10");
    until("it is recorded", SOON, || {
        world.events("runtime_observed").len() == 2
    });
    world.act(&id, "start");
    until("it is recorded", SOON, || {
        world.events("runtime_observed").len() == 3
    });
    let rows = world.rows();
    let started = rows.last().expect("a row");
    assert_eq!(started["observed"], "started");
    assert_eq!(
        started["outage"]["cause"],
        "stopped by somebody, exit code 0"
    );
    assert!(downtime_ms(started) >= 1000, "{started}");
    let said = world.history(&[]);
    assert!(
        said.contains("\noutages: 1, 1 of them ended by no operation"),
        "{said}"
    );
}
