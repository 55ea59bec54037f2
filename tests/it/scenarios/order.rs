//! One operation after the other, a bounded queue, and a status that waits for none of it.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Agent, World, contract_headers, request_bytes, until};

with_both_runtimes!(
    concurrent_operations_run_one_after_the_other,
    a_full_queue_answers_503_and_status_goes_on,
    a_client_that_leaves_before_its_turn_starts_nothing,
    a_client_that_leaves_during_its_operation_changes_nothing,
    an_operation_that_waited_its_budget_away_never_starts,
);

/// A deploy of this image takes the whole grace to be replaced: time for others to queue.
fn slow_to_stop(world: &mut World) -> Agent {
    world.set("STOP_GRACE_SECONDS", "3");
    world.push("1.0.0", &["ignore-term"]);
    world.push_runtime("2.0.0");
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    agent
}

fn wait_for_step(world: &World, operation: usize, step: &str) {
    until(step, Duration::from_secs(10), || {
        let started = world.events("operation_started");
        let Some(wanted) = started.get(operation) else {
            return false;
        };
        let steps = world.events("step_started");
        steps
            .iter()
            .any(|s| s["operation"] == wanted["operation"] && s["step"] == step)
    });
}

fn concurrent_operations_run_one_after_the_other(mut world: World) {
    world.set("QUEUE_CAPACITY", "8");
    for tag in ["1.0.0", "1.0.1"] {
        world.push_runtime(tag);
    }
    let agent = world.agent();
    std::thread::scope(|scope| {
        for turn in 0..6 {
            let (agent, world) = (&agent, &world);
            scope.spawn(move || {
                let answer = match turn % 3 {
                    0 => agent.deploy(&world.image("1.0.0")),
                    1 => agent.deploy(&world.image("1.0.1")),
                    _ => agent.stop(),
                };
                assert_eq!(answer.status, 200, "{}", answer.body);
            });
        }
    });
    // In the trail no operation begins before the one before it has ended.
    let mut running = None;
    let mut ended = 0;
    for record in world.trail() {
        match record["event"].as_str() {
            Some("operation_started") => {
                assert_eq!(running.replace(record["operation"].clone()), None);
            }
            Some("operation_ended") => {
                assert_eq!(running.take(), Some(record["operation"].clone()));
                ended += 1;
            }
            _ => {}
        }
    }
    assert_eq!(ended, 6);
    assert!(world.count() <= 1);
}

fn a_full_queue_answers_503_and_status_goes_on(mut world: World) {
    world.set("QUEUE_CAPACITY", "1");
    let agent = slow_to_stop(&mut world);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| agent.deploy(&world.image("2.0.0")));
        wait_for_step(&world, 1, "stop");
        let others: Vec<_> = (0..3).map(|_| scope.spawn(|| agent.stop())).collect();
        // One waits, the others are told so at once, and the status answers meanwhile.
        until("two are refused", Duration::from_secs(30), || {
            others.iter().filter(|other| other.is_finished()).count() == 2
        });
        assert_eq!(agent.status_answer().status, 200);
        assert!(!running.is_finished());
        let mut codes = Vec::new();
        for other in others {
            let answer = other.join().expect("answered");
            if answer.status == 503 {
                assert!(answer.reason().contains("waiting"), "{}", answer.body);
            }
            codes.push(answer.status);
        }
        codes.sort_unstable();
        assert_eq!(codes, [200, 503, 503]);
        assert_eq!(running.join().expect("answered").status, 200);
    });
    assert!(world.container().is_none());
}

/// Sends a request and leaves without reading an answer.
fn send_and_leave(agent: &Agent, path: &str, body: &str, after: impl FnOnce()) {
    let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
    let bytes = request_bytes("POST", path, &contract_headers(), body);
    stream.write_all(&bytes).expect("sent");
    after();
    drop(stream);
}

fn a_client_that_leaves_before_its_turn_starts_nothing(mut world: World) {
    let agent = slow_to_stop(&mut world);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| agent.deploy(&world.image("2.0.0")));
        wait_for_step(&world, 1, "stop");
        send_and_leave(&agent, "/v1/stop", "", || {
            std::thread::sleep(Duration::from_millis(300));
        });
        assert_eq!(running.join().expect("answered").status, 200);
    });
    until(
        "it is recorded as abandoned",
        Duration::from_secs(10),
        || world.last_outcome()["outcome"] == "abandoned",
    );
    assert_eq!(agent.status()["running"], true);
    assert_eq!(agent.status()["image"], world.image("2.0.0"));
}

fn a_client_that_leaves_during_its_operation_changes_nothing(mut world: World) {
    let agent = slow_to_stop(&mut world);
    let body = json!({ "image": world.image("2.0.0") }).to_string();
    send_and_leave(&agent, "/v1/deploy", &body, || {
        wait_for_step(&world, 1, "stop");
    });
    until("the deploy ends", Duration::from_secs(20), || {
        world.events("operation_ended").len() == 2
    });
    assert_eq!(world.last_outcome()["outcome"], "succeeded");
    assert_eq!(agent.status()["image"], world.image("2.0.0"));
}

fn an_operation_that_waited_its_budget_away_never_starts(mut world: World) {
    // The least that the other settings allow: five seconds past what a deploy needs after its pull.
    world.set("STOP_GRACE_SECONDS", "6");
    world.set("OPERATION_BUDGET_SECONDS", "37");
    world.push("1.0.0", &["ignore-term"]);
    world.push_runtime("2.0.0");
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| agent.deploy(&world.image("2.0.0")));
        wait_for_step(&world, 1, "stop");
        let late = agent.deploy(&world.image("1.0.0"));
        assert_eq!(late.status, 504, "{}", late.body);
        assert!(late.reason().contains("not started"), "{}", late.body);
        assert_eq!(running.join().expect("answered").status, 200);
    });
    assert_eq!(agent.status()["image"], world.image("2.0.0"));
    assert_eq!(world.last_outcome()["http"], 504);
}
