//! Images whose configuration tells that their containers cannot run: refused before the stop. Each is also started past
//! the agent, so that nothing is refused that the engine would have run.

use dreichor_test_support::images::ImageSpec;
use serde_json::{Value, json};

use super::known::refused;
use crate::harness::{Agent, World};

on_both_engines!(
    an_image_without_a_command_is_refused,
    an_empty_first_word_of_the_command_is_refused,
    a_relative_working_directory_is_refused,
    a_path_that_no_file_system_takes_is_refused,
    a_user_number_out_of_range_is_refused,
    a_volume_over_what_the_engine_needs_is_refused,
    a_variable_that_no_process_can_be_given_is_refused,
    more_variables_than_the_kernel_takes_are_refused,
    a_health_check_that_cannot_tell_in_time_is_refused,
    a_user_that_the_image_does_not_know_fails_the_start,
    a_volume_over_a_file_of_the_image_fails_the_create,
    what_is_odd_and_runs_all_the_same_is_deployed,
    a_port_out_of_range_is_no_matter_or_refused_by_the_engine,
);

/// Deploys an image with these fields over a running one: 422 with these words, and the engine would not have run it.
fn refuses(world: &World, agent: &Agent, old: &Value, fields: &[(&str, Value)], words: &[&str]) {
    refuses_untried(world, agent, old, fields, words);
    let said = world.engine_refuses(&tag(fields));
    assert!(said.is_some(), "the engine runs it: {fields:?}");
}

fn refuses_untried(
    world: &World,
    agent: &Agent,
    old: &Value,
    fields: &[(&str, Value)],
    words: &[&str],
) {
    push(world, fields);
    let answer = agent.deploy(&world.image(&tag(fields)));
    assert_eq!(answer.status, 422, "{}", answer.body);
    refused(world, agent, old, &answer, "verify", words);
}

fn push(world: &World, fields: &[(&str, Value)]) {
    let mut spec = ImageSpec::mode(&["run"]);
    for (name, value) in fields {
        spec = spec.field(name, value.clone());
    }
    world.push_spec(&tag(fields), spec);
}

/// A tag of its own for each.
fn tag(fields: &[(&str, Value)]) -> String {
    let text = json!(fields).to_string();
    let sum = text
        .bytes()
        .fold(7_u32, |sum, byte| sum.wrapping_mul(31) ^ u32::from(byte));
    format!("3.0.{sum}")
}

fn an_image_without_a_command_is_refused(world: World) {
    let (agent, old) = world.running_one();
    for (entrypoint, command) in [(json!([]), json!([])), (json!([""]), json!(null))] {
        let fields = [("Entrypoint", entrypoint), ("Cmd", command)];
        refuses(&world, &agent, &old, &fields, &["the image has no command"]);
    }
}

fn an_empty_first_word_of_the_command_is_refused(world: World) {
    let (agent, old) = world.running_one();
    let empty = [("Entrypoint", json!(["", "/runtime"]))];
    refuses(&world, &agent, &old, &empty, &["first word", "is empty"]);
    let nul = [("Cmd", json!(["run", "a\0b"]))];
    refuses(&world, &agent, &old, &nul, &["NUL"]);
}

fn a_relative_working_directory_is_refused(world: World) {
    let (agent, old) = world.running_one();
    let fields = [("WorkingDir", json!("data"))];
    refuses(
        &world,
        &agent,
        &old,
        &fields,
        &["WORKDIR is not an absolute path"],
    );
}

fn a_path_that_no_file_system_takes_is_refused(world: World) {
    let (agent, old) = world.running_one();
    let long = format!("/{}", "x".repeat(256));
    for (field, value, word) in [
        ("WorkingDir", json!(long), "longer"),
        ("Volumes", json!({ long.clone(): {} }), "longer"),
        ("Volumes", json!({ "/a\0b": {} }), "NUL"),
    ] {
        refuses(&world, &agent, &old, &[(field, value)], &[word]);
    }
}

fn a_user_number_out_of_range_is_refused(world: World) {
    let (agent, old) = world.running_one();
    for user in ["-1", "2147483648", "0:2147483648"] {
        let fields = [("User", json!(user))];
        refuses(&world, &agent, &old, &fields, &["USER", "2147483647"]);
    }
}

fn a_volume_over_what_the_engine_needs_is_refused(world: World) {
    let (agent, old) = world.running_one();
    for place in ["/", "/dev", "/dev/ptmx", "/proc", "/etc/../proc/x"] {
        let fields = [("Volumes", json!({ place: {} }))];
        refuses(&world, &agent, &old, &fields, &["VOLUME", place]);
    }
}

fn a_variable_that_no_process_can_be_given_is_refused(world: World) {
    let (agent, old) = world.running_one();
    let nameless = [("Env", json!(["PATH=/", "=x"]))];
    refuses(&world, &agent, &old, &nameless, &["no name"]);
    let nul = [("Env", json!(["PATH=/", "A=x\0y"]))];
    refuses_untried(&world, &agent, &old, &nul, &["NUL"]);
}

fn more_variables_than_the_kernel_takes_are_refused(world: World) {
    let (agent, old) = world.running_one();
    let long = [("Env", json!([format!("LONG={}", "x".repeat(128 * 1024))]))];
    refuses(
        &world,
        &agent,
        &old,
        &long,
        &["the variable LONG is longer"],
    );
    let many: Vec<String> = (0..17)
        .map(|n| format!("A{n}={}", "x".repeat(131_000)))
        .collect();
    refuses(&world, &agent, &old, &[("Env", json!(many))], &["2 MiB"]);
}

fn a_health_check_that_cannot_tell_in_time_is_refused(mut world: World) {
    world.set("START_CONFIRMATION", "healthy");
    world.set("START_CONFIRMATION_SECONDS", "2");
    let ok = || ImageSpec::mode(&["run"]).healthcheck("check-ok");
    world.push_spec("1.0.0", ok());
    let agent = world.agent();
    let answer = agent.deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let old = world.identity();
    let check = |fields: Value| {
        let mut check = json!({ "Test": ["CMD", "/runtime", "check-ok"] });
        for (name, value) in fields.as_object().expect("an object") {
            check[name] = value.clone();
        }
        check
    };
    let second = 1_000_000_000_u64;
    for (fields, word) in [
        (json!({ "Test": ["NONE"] }), "no HEALTHCHECK"),
        (json!({ "Test": [] }), "no HEALTHCHECK"),
        (json!({}), "comes 30 s after the start"),
        (
            json!({ "Interval": 2 * second }),
            "comes 2 s after the start",
        ),
        (
            json!({ "Interval": second, "Timeout": 1000 }),
            "below a millisecond",
        ),
    ] {
        let fields = [("Healthcheck", check(fields))];
        let words = ["START_CONFIRMATION=healthy", word];
        refuses_untried(&world, &agent, &old, &fields, &words);
    }
}

/// The files of an image are seen only in a container.
fn fails(world: &World, fields: &[(&str, Value)], step: &str, code: u16, word: &str) {
    let (agent, _) = world.running_one();
    push(world, fields);
    let answer = agent.deploy(&world.image(&tag(fields)));
    assert_eq!(answer.status, code, "{}", answer.body);
    assert!(
        answer.reason().starts_with(&format!("{step} failed: ")),
        "{}",
        answer.body
    );
    assert!(answer.reason().contains(word), "{}", answer.body);
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
}

fn a_user_that_the_image_does_not_know_fails_the_start(world: World) {
    fails(
        &world,
        &[("User", json!("node"))],
        "start",
        500,
        "unable to find user node",
    );
}

fn a_volume_over_a_file_of_the_image_fails_the_create(world: World) {
    let fields = [("Volumes", json!({ "/runtime": {} }))];
    fails(&world, &fields, "create", 502, "over existing file");
}

fn what_is_odd_and_runs_all_the_same_is_deployed(world: World) {
    let agent = world.agent();
    for fields in [
        [
            ("Entrypoint", json!([""])),
            ("Cmd", json!(["/runtime", "run"])),
        ],
        [
            ("User", json!("1000:2147483647")),
            ("WorkingDir", json!("/a/new/one")),
        ],
        [
            ("Volumes", json!({ "data": {}, "/dev/shm": {}, "/sys": {} })),
            ("User", json!("")),
        ],
        [
            ("Env", json!(["PATH=/", "A B=1", "NOTHING"])),
            ("StopSignal", json!("SIGNONE")),
        ],
        [
            ("Healthcheck", json!({ "Test": ["OTHER"] })),
            ("ExposedPorts", json!({ "80/x": {} })),
        ],
    ] {
        push(&world, &fields);
        let answer = agent.deploy(&world.image(&tag(&fields)));
        assert_eq!(answer.status, 200, "{fields:?}: {}", answer.body);
    }
}

fn a_port_out_of_range_is_no_matter_or_refused_by_the_engine(world: World) {
    let (agent, old) = world.running_one();
    let fields = [("ExposedPorts", json!({ "99999/tcp": {} }))];
    push(&world, &fields);
    let answer = agent.deploy(&world.image(&tag(&fields)));
    if world.reads_ports_when_it_pulls() {
        assert_eq!(answer.status, 502, "{}", answer.body);
        let words = ["invalid port '99999'"];
        refused(&world, &agent, &old, &answer, "pull", &words);
    } else {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}
