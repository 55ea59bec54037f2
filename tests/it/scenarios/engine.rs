//! The engine is killed and comes back, while nothing happens and in the middle of a deploy.

use std::process::Command;
use std::time::Duration;

use crate::harness::{Kind, World, image_asked, until};

on_both_engines!(
    an_engine_that_restarts_while_idle_is_followed,
    an_engine_that_restarts_during_a_deploy_ends_it_with_the_truth,
);

const BACK: Duration = Duration::from_secs(20);

fn an_engine_that_restarts_while_idle_is_followed(mut world: World) {
    world.own_engine();
    world.set("RUNTIME_RESTART_POLICY", "no");
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    world.restart_engine(Duration::from_millis(3500));
    // Without the engine the view aged past its bound; now it shows what the engine shows.
    agent.status_until(BACK, |answer| answer.status == 200);
    until("status and engine agree", BACK, || {
        let running = world
            .container()
            .is_some_and(|shown| shown["State"]["Running"] == true);
        agent.status()["running"] == running
    });
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(agent.status()["running"], true);
}

fn an_engine_that_restarts_during_a_deploy_ends_it_with_the_truth(mut world: World) {
    world.own_engine();
    world.set("STOP_GRACE_SECONDS", "5");
    world.set("RUNTIME_RESTART_POLICY", "no");
    world.push("1.0.0", &["ignore-term"]);
    world.push("2.0.0", &["run"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let image = world.image("2.0.0");
    let answer = std::thread::scope(|scope| {
        let running = scope.spawn(|| agent.deploy(&image));
        until("the stop begins", Duration::from_secs(10), || {
            let steps = world.events("step_started");
            steps.iter().any(|step| step["step"] == "stop")
        });
        std::thread::sleep(Duration::from_millis(500));
        world.restart_engine(Duration::from_millis(500));
        running.join().expect("answered")
    });
    let outcome = world.last_outcome();
    assert_eq!(outcome["http"], answer.status, "{}", answer.body);
    if answer.status == 200 {
        assert_eq!(image_asked(&world.shown()), image);
    } else {
        assert!(
            answer.reason().contains("stop") || answer.reason().contains("remove"),
            "{}",
            answer.body
        );
    }
    agent.status_until(BACK, |answer| answer.status == 200);
    let again = agent.deploy(&image);
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(world.count(), 1);
}

/// What `check` says on its standard output.
fn check(world: &World) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .args(["check", "--env-file"])
        .arg(world.env_file())
        .env_clear()
        .output()
        .expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What an upgrade of the engine's package does to the runtime, and what a crash: by policy, and as `check` tells.
#[test]
fn what_becomes_of_the_runtime_when_a_real_engine_restarts_is_what_check_tells() {
    let mut world = World::new(Kind::Real);
    world.own_engine();
    world.push("1.0.0", &["run"]);
    for (policy, in_order, comes_back) in [
        ("unless-stopped", true, true),
        ("unless-stopped", false, false),
        ("always", true, true),
        ("always", false, true),
        ("no", true, false),
        ("on-failure", true, false),
    ] {
        world.set("RUNTIME_RESTART_POLICY", policy);
        let agent = world.agent();
        let answer = agent.deploy(&world.image("1.0.0"));
        assert_eq!(answer.status, 200, "{policy}: {}", answer.body);
        let before = world.identity();
        drop(agent);
        let info = world.engine("GET", "/info", None).json();
        let stays = info["LiveRestoreEnabled"] == true;
        let said = check(&world);
        let words = match (stays, policy) {
            (true, _) => "leaves the runtime running (live-restore)",
            (false, "always") => "ends the runtime and brings it back (always)",
            (false, "unless-stopped") => "but not after the engine was killed",
            (false, "no") => "nothing brings it back (no)",
            (false, _) => "only if it ended with an error (on-failure)",
        };
        assert!(said.contains(words), "{policy}: {said}");
        let on = if stays { "on" } else { "off" };
        let version = info["ServerVersion"].as_str().expect("a version");
        for told in [version, &format!("live-restore {on}")] {
            assert!(said.contains(told), "{told}: {said}");
        }
        world.bring_engine_back(in_order);
        let runs = || world.shown()["State"]["Running"] == true;
        let case = format!("{policy}, ended in order {in_order}, live-restore {stays}");
        if stays {
            assert_eq!(world.identity(), before, "{case}");
        } else if comes_back {
            until(&case, BACK, runs);
            assert_ne!(world.identity(), before, "{case}");
        } else {
            std::thread::sleep(Duration::from_secs(3));
            assert!(!runs(), "{case}");
        }
    }
}
