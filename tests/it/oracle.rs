//! runtime.env is read as the real docker client reads it: the client itself is the oracle.

use std::process::Command;

use deploy_agent::domain::RuntimeEnv;
use dreichor_test_support::images::ImageSpec;

use crate::harness::{Kind, World};

/// What the docker client makes of an env file: the variables of the container, or a refusal.
fn oracle(world: &World, bytes: &[u8]) -> Option<Vec<String>> {
    let file = world.path("oracle.env");
    std::fs::write(&file, bytes).expect("written");
    let created = Command::new("docker")
        .args([
            "create",
            "--network",
            "none",
            "--name",
            &world.name,
            "--env-file",
        ])
        .arg(&file)
        .arg(world.image("1.0.0"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("a path"))
        .env("DOCKER_HOST", world.settings["DOCKER_HOST"].as_str())
        .env("DOCKER_CONFIG", world.path("docker"))
        .output()
        .expect("the docker client runs");
    if !created.status.success() {
        let said = String::from_utf8_lossy(&created.stderr).into_owned();
        assert!(!said.contains("Cannot connect"), "{said}");
        return None;
    }
    let shown = world.shown();
    world.remove(shown["Id"].as_str().expect("an id"));
    let variables = shown["Config"]["Env"].as_array().expect("a list");
    let variables = variables
        .iter()
        .map(|pair| pair.as_str().expect("text").to_owned());
    Some(
        variables
            .filter(|pair| !pair.starts_with("PATH="))
            .collect(),
    )
}

fn ours(bytes: &[u8]) -> Option<Vec<String>> {
    RuntimeEnv::parse(bytes)
        .ok()
        .map(|environment| environment.to_engine())
}

/// Docker drops a variable that comes twice when it makes the container, keeping the last: so does every process.
fn last_of_each(pairs: Vec<String>) -> Vec<String> {
    let name = |pair: &String| pair.split('=').next().unwrap_or_default().to_owned();
    let mut kept: Vec<String> = Vec::new();
    for pair in pairs {
        match kept.iter_mut().find(|other| name(other) == name(&pair)) {
            Some(earlier) => *earlier = pair,
            None => kept.push(pair),
        }
    }
    kept.sort();
    kept
}

#[test]
fn env_files_are_read_as_docker_reads_them() {
    let world = World::new(Kind::Real);
    world.push_spec("1.0.0", ImageSpec::mode(&["run"]));
    world.pull("1.0.0");
    let cases: [&[u8]; 33] = [
        b"",
        b"\n\n",
        b"A=1",
        b"A=1\nB=2\n",
        b"A=1\r\nB=2\r\n",
        b"A=\"quoted\"",
        b"A='single'",
        b"A=a=b=c",
        b"A=",
        b"A= spaces kept ",
        b"  A=indented",
        b"\tA=tabbed",
        b"A =space in name",
        b"A B=space in name",
        b"# comment\nA=1",
        b"  # indented comment\nA=1",
        b"A=1 # no comment",
        b"A=#value",
        b"#A=1",
        b"=value",
        b" =value",
        b"export A=1",
        b"A=$HOME",
        b"A=${B}\nB=1",
        b"A=back\\nslash",
        b"\xef\xbb\xbfA=bom",
        b"A=\xc3\xa9",
        b"\xc3\xa9=name",
        b"A=\xff",
        b"A=1\nA=2",
        b"A=1\x0bB",
        b"A=\ttab\t",
        b"A.b-c=1\n1=digit\n",
    ];
    let mut wrong = Vec::new();
    for bytes in cases {
        compare(&world, bytes, &mut wrong);
    }
    // And what nobody thought of, from a fixed seed.
    let mut seed = 0x2545_f491_u32;
    let alphabet = b"AB=\"'# \t\\$\r\n\n=x1";
    for _ in 0..80 {
        let bytes: Vec<u8> = (0..18)
            .map(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 17;
                seed ^= seed << 5;
                alphabet[seed as usize % alphabet.len()]
            })
            .collect();
        compare(&world, &bytes, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(world: &World, bytes: &[u8], wrong: &mut Vec<String>) {
    let bare = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii_start())
        .any(|line| !line.is_empty() && !line.starts_with(b"#") && !line.contains(&b'='));
    let (theirs, mine) = (oracle(world, bytes), ours(bytes));
    let shown = String::from_utf8_lossy(bytes).into_owned();
    if bare {
        // The one difference that is meant: Docker would look into the caller's environment.
        if mine.is_some() {
            wrong.push(format!("{shown:?}: a bare name was taken"));
        }
        return;
    }
    let (theirs, mine) = (theirs.map(last_of_each), mine.map(last_of_each));
    if theirs != mine {
        wrong.push(format!("{shown:?}: docker {theirs:?}, agent {mine:?}"));
    }
}

/// The client takes a NUL and no process can be started with one: this agent says so before anything is touched.
#[test]
fn a_nul_byte_is_refused_before_the_engine_could_fail_on_it() {
    let world = World::new(Kind::Real);
    world.push("1.0.0", &["run"]);
    world.pull("1.0.0");
    let bytes = b"A=1\nB=nul\x00byte\n";
    assert!(oracle(&world, bytes).is_some(), "the client takes it");
    let refused = RuntimeEnv::parse(bytes).expect_err("refused").to_string();
    assert!(refused.contains("line 2"), "{refused}");
    let body = serde_json::json!({ "Image": world.image("1.0.0"), "Env": ["B=nul\u{0}byte"], "HostConfig": { "NetworkMode": "none" } });
    let path = format!("/containers/create?name={}", world.name);
    let made = world.engine("POST", &path, Some(&body)).json();
    let id = made["Id"].as_str().expect("an id");
    let started = world.engine("POST", &format!("/containers/{id}/start"), None);
    assert!(started.status >= 400, "the engine starts nothing with it");
}
