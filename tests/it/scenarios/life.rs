//! Signals, lock, settings, ambient variables: the agent as a process.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Agent, World, image_asked, until};

on_both_engines!(
    sigint_of_an_idle_agent_ends_it_in_order,
    a_second_agent_ends_at_once,
);

with_both_runtimes!(
    sigterm_lets_the_running_operation_end_and_leaves_the_container,
    ambient_variables_decide_nothing_and_leak_nowhere,
    a_killed_agent_closes_its_operation_as_interrupted,
    no_secret_is_written_anywhere,
);

fn sigterm_lets_the_running_operation_end_and_leaves_the_container(mut world: World) {
    world.set("STOP_GRACE_SECONDS", "3");
    world.push("1.0.0", &["ignore-term"]);
    world.push_runtime("2.0.0");
    let mut agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| agent.deploy(&world.image("2.0.0")));
        until("the stop begins", Duration::from_secs(10), || {
            let steps = world.events("step_started");
            steps.iter().filter(|s| s["step"] == "stop").count() == 1
        });
        agent.signal("TERM");
        until("it is seen", Duration::from_secs(5), || {
            agent.log().contains("SIGTERM")
        });
        let refused = agent.stop();
        assert_eq!(refused.status, 503, "{}", refused.body);
        assert!(refused.reason().contains("shutting down"));
        let answer = running.join().expect("answered");
        assert_eq!(answer.status, 200, "{}", answer.body);
    });
    assert_eq!(agent.wait().code(), Some(0));
    assert_eq!(world.shown()["State"]["Running"], true);
    assert_eq!(world.events("agent_stopped").len(), 1);
}

fn sigint_of_an_idle_agent_ends_it_in_order(world: World) {
    let mut agent = world.agent();
    agent.signal("INT");
    assert_eq!(agent.wait().code(), Some(0));
}

fn a_second_agent_ends_at_once(mut world: World) {
    let agent = world.agent();
    world.set("PORT", &crate::harness::free_port().to_string());
    let log = world.path("second.log");
    let mut second = Agent::launch(&world.env_file(), 0, &log, &[]);
    assert_eq!(second.wait().code(), Some(75));
    assert!(second.log().contains("another agent"), "{}", second.log());
    assert_eq!(agent.status()["running"], false);
}

fn ambient_variables_decide_nothing_and_leak_nowhere(world: World) {
    world.push_runtime("1.0.0");
    let ambient = [
        ("CONTAINER_NAME", "stranger-dev"),
        ("PORT", "1"),
        ("ENVIRONMENT", "prod"),
        ("DATABASE_URL", "ambient-value"),
        ("EXECUTION_PLANE", "live"),
    ];
    let log = world.path("agent.log");
    let agent = Agent::start(&world.env_file(), world.port, &log, &ambient);
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(
        (answer.status, &answer.json()["container_name"]),
        (200, &json!(world.name))
    );
    let shown = world.shown()["Config"]["Env"].to_string();
    for foreign in ["ambient-value", "live", "stranger", "CF_"] {
        assert!(!shown.contains(foreign), "{shown}");
    }
}

fn a_killed_agent_closes_its_operation_as_interrupted(mut world: World) {
    world.set("STOP_GRACE_SECONDS", "3");
    world.push("1.0.0", &["ignore-term"]);
    world.push_runtime("2.0.0");
    let mut agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    std::thread::scope(|scope| {
        let body = json!({ "image": world.image("2.0.0") }).to_string();
        let headers = crate::harness::contract_headers();
        let bytes = crate::harness::request_bytes("POST", "/v1/deploy", &headers, &body);
        let port = agent.port;
        let cut = scope.spawn(move || crate::harness::exchange_raw(port, &bytes));
        until("the stop begins", Duration::from_secs(10), || {
            let steps = world.events("step_started");
            steps.iter().filter(|s| s["step"] == "stop").count() == 1
        });
        agent.signal("KILL");
        assert!(!agent.wait().success());
        assert!(
            cut.join().expect("joined").is_empty(),
            "no answer was given"
        );
    });
    let agent = world.agent();
    until("it is closed", Duration::from_secs(10), || {
        !world.events("operation_interrupted").is_empty()
    });
    let closed = world.events("operation_interrupted").remove(0);
    assert_eq!(closed["last_step"], "stop");
    assert_ne!(closed["state"], "unknown");
    let (_, said) = world.operator("status", &[]);
    let last = format!("deploy {} interrupted at 20", world.image("2.0.0"));
    assert!(said.contains(&last), "{said}");
    // Nothing is resumed: the next explicit deploy converges.
    std::thread::sleep(Duration::from_secs(4));
    if let Some(shown) = world.container() {
        assert_eq!(image_asked(&shown), world.image("1.0.0"));
    }
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(world.count(), 1);
}

/// Every world looks for secrets when it ends; this one makes the agent meet them where they could slip through.
fn no_secret_is_written_anywhere(world: World) {
    use crate::harness::{CANARY, CLIENT_SECRET, found_below};
    world.push_runtime("1.0.0");
    world.push("2.0.0", &["crash"]);
    let agent = world.agent();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    assert_eq!(agent.deploy(&world.image("2.0.0")).status, 500);
    // A secret in the wrong place.
    assert_eq!(agent.deploy(CLIENT_SECRET).status, 422);
    assert_eq!(agent.post("/v1/deploy", CLIENT_SECRET).status, 400);
    let address = format!("https://u:{CANARY}@h/db");
    assert_eq!(agent.deploy(&address).status, 422);
    // Quoted by whoever refuses it.
    let url = format!("postgres://u:{CANARY}@h/db");
    for body in [
        format!(r#"{{"image":"a","{url}":1}}"#),
        format!(r#"{{"image":{{"{url}":1}}}}"#),
        format!(r#""{url}""#),
        format!(r#"{{"image":"a","password={CANARY}":1}}"#),
    ] {
        let refused = agent.post("/v1/deploy", &body);
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(
            !refused.body.to_string().contains(CANARY),
            "{}",
            refused.body
        );
    }
    // A line that lost its name has one all the same, up to its first =.
    let lost = format!(
        "EXECUTION_PLANE=paper\nDATABASE_URL={}\n{url}?sslmode=require\n",
        world.database_url()
    );
    world.write_runtime_env(&lost);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let file = world.env_file().display().to_string();
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_deploy-agent"))
        .args(["check", "--env-file", &file])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        said.contains("runtime.env names") && said.contains("***"),
        "{said}"
    );
    assert!(!said.contains(CANARY), "{said}");
    world.write_runtime_env(&format!("EXECUTION_PLANE={CANARY}\n"));
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 500);
    world.write_runtime_env(&format!("{CANARY}\n"));
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 500);
    assert_eq!(agent.stop().status, 200);
    assert!(
        agent.log().contains("TRACE") || agent.log().contains("DEBUG"),
        "the log says most"
    );
    let found = found_below(world.directory.path(), CANARY);
    assert_eq!(found, [world.path("runtime.env")]);
}
