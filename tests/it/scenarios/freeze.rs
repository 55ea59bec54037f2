//! Deploys that are held, and stops that never are.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use dreichor_test_support::fake_engine::Verb;

use crate::harness::{Kind, World, until};

on_both_engines!(a_freeze_refuses_deploys_and_no_stop_until_it_is_thawed);

fn a_freeze_refuses_deploys_and_no_stop_until_it_is_thawed(mut world: World) {
    world.set("START_CONFIRMATION_SECONDS", "0");
    let (mut agent, running) = world.running_one();
    let reason = "market hours: ask the desk";
    let freeze = ["--reason", reason, "--until", "2h"];
    let short = ["--reason", "a release", "--until", "1h"];
    let (code, said) = world.operator("freeze", &short);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("replaces"), "{said}");
    let (code, said) = world.operator("freeze", &freeze);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("; replaces the freeze until 20") && said.contains(": a release"),
        "{said}"
    );
    let refused = |answer: crate::harness::Answer| {
        assert_eq!(answer.status, 423, "{}", answer.body);
        let said = answer.reason();
        assert!(said.contains(reason) && said.contains("until 20"), "{said}");
        assert_eq!(answer.json().as_object().expect("an object").len(), 2);
    };
    refused(agent.deploy(&world.image("1.0.0")));
    assert_eq!(world.identity(), running, "nothing is touched");
    let outcome = world.last_outcome();
    assert_eq!(
        (&outcome["http"], &outcome["outcome"]),
        (&423.into(), &"failed".into())
    );
    let (_, shown) = world.operator("status", &[]);
    assert!(shown.contains(reason), "{shown}");
    // It survives a kill, and an end in order.
    agent.signal("KILL");
    agent.wait();
    let mut agent = world.agent();
    refused(agent.deploy(&world.image("1.0.0")));
    agent.signal("TERM");
    agent.wait();
    let agent = world.agent();
    refused(agent.deploy(&world.image("1.0.0")));
    assert_eq!(agent.stop().status, 200, "a stop is never frozen");
    let (code, said) = world.operator("thaw", &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let begun = world.events("operation_started");
    let freeze = begun.iter().rfind(|record| record["kind"] == "freeze");
    assert_eq!(freeze.expect("recorded")["freeze"]["reason"], reason);
    assert!(begun.iter().any(|record| record["kind"] == "thaw"));
    // Not frozen is as good, and the end of a freeze needs nobody.
    assert_eq!(world.operator("thaw", &[]).0, 0);
    let short = ["--reason", "x", "--until", "1s"];
    assert_eq!(world.operator("freeze", &short).0, 0);
    until("its end comes", Duration::from_secs(30), || {
        agent.deploy(&world.image("1.0.0")).status == 200
    });
}

#[test]
fn what_waits_when_a_freeze_comes_is_refused_too_and_what_runs_ends() {
    let mut world = World::new(Kind::Fake);
    world.set("START_CONFIRMATION_SECONDS", "0");
    for tag in ["1.0.0", "2.0.0"] {
        world.push(tag, &["run"]);
    }
    let agent = world.agent();
    let fake = world.fake.as_ref().expect("the fake engine");
    let gate = fake.controls().gate(Verb::ImagePull);
    std::thread::scope(|scope| {
        let runs = scope.spawn(|| agent.deploy(&world.image("1.0.0")));
        assert!(gate.reached_within(Duration::from_secs(10)));
        let waits = scope.spawn(|| agent.deploy(&world.image("2.0.0")));
        let stops = scope.spawn(|| {
            until("two wait", Duration::from_secs(10), || {
                let shown = world.operator("status", &["--json"]).1;
                shown.contains("\"waiting\":1")
            });
            agent.stop()
        });
        until("both wait", Duration::from_secs(10), || {
            let shown = world.operator("status", &["--json"]).1;
            shown.contains("\"waiting\":2")
        });
        let (code, said) = world.operator("freeze", &["--reason", "now", "--until", "1h"]);
        assert_eq!(code, 0, "{said}");
        gate.release();
        assert_eq!(runs.join().expect("answered").status, 200);
        assert_eq!(waits.join().expect("answered").status, 423);
        assert_eq!(stops.join().expect("answered").status, 200);
    });
    assert!(world.container().is_none());
}

#[test]
fn a_freeze_that_cannot_be_read_counts_as_one_and_a_thaw_ends_it() {
    let mut world = World::new(Kind::Fake);
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    let file = world.path("state/freeze.json");
    let good = |until: &str| {
        format!(
            r#"{{"reason":"x","until":"{until}","since":"2020-01-01T00:00:00Z","by":"y","operation":"z"}}"#
        )
    };
    let long = good("9999-01-01T00:00:00Z");
    let over = good("2020-01-02T00:00:00Z");
    let huge = "x".repeat(100_000);
    for (text, mode) in [
        ("", 0o600),
        ("{}", 0o600),
        ("\0\0\0", 0o600),
        (&over[..40], 0o600),
        (&long, 0o600),
        (&huge, 0o600),
        // Somebody else may have written it.
        (&over, 0o666),
    ] {
        std::fs::write(&file, text).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
        let answer = agent.deploy(&world.image("1.0.0"));
        assert_eq!(answer.status, 423, "{text:.50}: {}", answer.body);
        assert!(
            answer.reason().contains("cannot be read"),
            "{}",
            answer.body
        );
        let (code, shown) = world.operator("status", &[]);
        assert_eq!(
            (code, shown.contains("cannot be read")),
            (0, true),
            "{shown}"
        );
        assert_eq!(world.operator("thaw", &[]).0, 0);
        assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    }
    // Whole, and over: the clock says so each time anew.
    std::fs::write(&file, &over).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    // A link, a pipe or a directory is no file of the agent's.
    std::fs::remove_file(&file).expect("removed");
    std::os::unix::fs::symlink("/dev/null", &file).expect("a link");
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 423);
    assert_eq!(world.operator("thaw", &[]).0, 0);
    std::fs::create_dir(&file).expect("a directory");
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 423);
    let (code, said) = world.operator("thaw", &[]);
    assert_eq!((code, said.contains("freeze.json")), (1, true), "{said}");
    assert_eq!(
        agent.deploy(&world.image("1.0.0")).status,
        423,
        "it holds on"
    );
    assert_eq!(agent.stop().status, 200);
    std::fs::remove_dir(&file).expect("removed");
}

#[test]
fn a_freeze_needs_a_reason_of_one_line_and_an_end_within_30_days() {
    let world = World::new(Kind::Fake);
    let _agent = world.agent();
    for (reason, until, says) in [
        ("", "1h", "a reason"),
        ("two\nlines", "1h", "one line"),
        ("x", "31d", "30 days"),
        ("x", "2020-01-01T00:00:00Z", "is over"),
        ("x", "soon", "must be a time"),
    ] {
        let (code, said) = world.operator("freeze", &["--reason", reason, "--until", until]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(says), "{said}");
    }
    assert!(!world.path("state/freeze.json").exists());
    assert!(world.events("operation_started").is_empty());
    until("all are recorded", Duration::from_secs(30), || {
        world.events("rejected").len() == 5
    });
}
