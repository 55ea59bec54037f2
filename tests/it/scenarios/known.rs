//! What can be known before the stop is known before the stop: the old container runs on, untouched.

use dreichor_test_support::images::ImageSpec;
use serde_json::{Value, json};

use crate::harness::{Agent, Answer, World};

on_both_engines!(
    an_image_that_sets_a_server_owned_variable_is_refused_by_name,
    runtime_env_hides_what_the_image_sets_and_the_record_tells_what_it_does_not_hide,
    a_runtime_env_without_a_database_is_refused,
);

/// A value that an image brings; it must show up in no reason and no record.
const OF_THE_IMAGE: &str = "value-of-the-image-5c1e";

/// Refused at this step with these words, and the container that ran before runs still: this very run of it.
fn refused(world: &World, agent: &Agent, old: &Value, answer: &Answer, step: &str, words: &[&str]) {
    let reason = answer.reason();
    assert!(reason.starts_with(&format!("{step} failed: ")), "{reason}");
    for word in words {
        assert!(reason.contains(word), "{word} is not in: {reason}");
    }
    let untouched = "the old runtime container was not touched and is running";
    assert!(reason.ends_with(untouched), "{reason}");
    assert_eq!(&world.identity(), old);
    assert_eq!(agent.status()["running"], true);
    let outcome = world.last_outcome();
    assert_eq!(outcome["http"], answer.status);
    assert_eq!(outcome["state"], "old_running");
    assert_eq!(outcome["failed_step"], step);
}

fn an_image_that_sets_a_server_owned_variable_is_refused_by_name(mut world: World) {
    world.set("ALLOW_EXECUTION_PLANE", "true");
    let (agent, old) = world.running_one();
    let url = world.database_url();
    world.write_runtime_env(&format!("DATABASE_URL={url}\n"));
    let spec = ImageSpec::mode(&["run"])
        .variable(&format!("SAFETY_MODE={OF_THE_IMAGE}"))
        .variable("DATABASE_URL=elsewhere")
        .variable("EXECUTION_PLANE=");
    world.push_spec("2.0.0", spec);
    let answer = agent.deploy(&world.image("2.0.0"));
    assert_eq!(answer.status, 422, "{}", answer.body);
    let words = ["the image sets EXECUTION_PLANE, SAFETY_MODE, which"];
    refused(&world, &agent, &old, &answer, "verify", &words);
    let of_image = ["EXECUTION_PLANE", "PATH", "SAFETY_MODE"];
    assert_eq!(world.last_outcome()["image_variables"], json!(of_image));
    let written = [answer.body, json!(world.trail()).to_string(), agent.log()];
    for text in written {
        assert!(!text.contains(OF_THE_IMAGE), "{text}");
    }
}

fn runtime_env_hides_what_the_image_sets_and_the_record_tells_what_it_does_not_hide(world: World) {
    let spec = ImageSpec::mode(&["run"])
        .variable("EXECUTION_PLANE=live")
        .variable("LOG_LEVEL=debug")
        .variable("TZ=UTC");
    world.push_spec("1.0.0", spec);
    let url = world.database_url();
    world.write_runtime_env(&format!(
        "EXECUTION_PLANE=paper\nDATABASE_URL={url}\nLOG_LEVEL=\n"
    ));
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let shown = world.shown();
    let env = shown["Config"]["Env"].as_array().expect("a list");
    for (line, held) in [
        ("EXECUTION_PLANE=paper", true),
        ("LOG_LEVEL=", true),
        ("TZ=UTC", true),
        ("EXECUTION_PLANE=live", false),
        ("LOG_LEVEL=debug", false),
    ] {
        assert_eq!(env.contains(&json!(line)), held, "{line}: {env:?}");
    }
    let outcome = world.last_outcome();
    assert_eq!(outcome["image_variables"], json!(["PATH", "TZ"]));
}

fn a_runtime_env_without_a_database_is_refused(world: World) {
    let (agent, old) = world.running_one();
    for text in ["", "DATABASE_URL=\n", "DATABASE_URL=  \n"] {
        world.write_runtime_env(&format!("EXECUTION_PLANE=paper\n{text}"));
        let answer = agent.deploy(&world.image("1.0.0"));
        assert_eq!(answer.status, 500, "{}", answer.body);
        let words = ["RUNTIME_ENV_FILE", "DATABASE_URL is missing or empty"];
        refused(&world, &agent, &old, &answer, "preflight", &words);
    }
    assert_eq!(agent.stop().status, 200, "a stop needs no database");
}
