//! How long a pull may say nothing, and under which names of Docker Hub it is proven.

use std::time::{Duration, Instant};

use deploy_agent::domain::{ContainerName, Environment, ImageReference, Repository};
use deploy_agent::engine::{Engine, EngineError, EngineFault, PulledImage};
use deploy_agent::settings::EngineSettings;
use dreichor_test_support::fake_engine::Verb;
use dreichor_test_support::images::ImageSpec;
use dreichor_test_support::registry::{Fault, What};
use serde_json::{Value, json};

use crate::harness::{Kind, World};

on_both_engines!(
    a_download_that_stalls_is_given_up,
    every_spelling_of_docker_hub_is_proven_and_pruned,
);

/// Instead of the agent's 30 s.
const IDLE: Duration = Duration::from_millis(400);
/// Much longer than that.
const SILENCE: Duration = Duration::from_millis(1600);

/// Pulls a tag with the agent's own engine handle, and says how long it took.
fn pull(world: &World, tag: &str) -> (Result<PulledImage, EngineError>, Duration) {
    let settings = EngineSettings {
        docker_host: world
            .settings
            .get("DOCKER_HOST")
            .map(|host| deploy_agent::settings::EngineAddress::parse(host).expect("an address")),
        ..EngineSettings::default()
    };
    let name = ContainerName::parse(&world.name, Environment::Dev).expect("a name");
    let engine = Engine::with_pull_idle(settings, name, IDLE);
    let repository = Repository::parse(&world.repository).expect("a repository");
    let image = ImageReference::parse(&world.image(tag), &repository, Environment::Dev);
    let image = image.expect("a reference");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let begun = Instant::now();
    let pulled = runtime.block_on(engine.pull(&image, None, |_| {}));
    (pulled, begun.elapsed())
}

fn assert_stalled(pulled: &Result<PulledImage, EngineError>, took: Duration, what: &str) {
    let error = pulled.as_ref().expect_err(what);
    assert!(
        matches!(error.fault, EngineFault::Stalled(_)),
        "{what}: {error}"
    );
    assert!(took >= IDLE && took < SILENCE, "{what}: {took:?}");
}

fn a_download_that_stalls_is_given_up(world: World) {
    world.push_spec("1.0.0", ImageSpec::mode(&["run"]).extra_bytes(2_000_000));
    world.registry.fault(What::Layer, Fault::StallMidBody);
    let (pulled, _) = pull(&world, "1.0.0");
    world.registry.heal();
    let error = pulled.expect_err("half a layer");
    assert!(matches!(error.fault, EngineFault::Stalled(_)), "{error}");
}

/// A registry of the test's own stands in for Docker Hub: on the real engine as its mirror.
fn every_spelling_of_docker_hub_is_proven_and_pruned(mut world: World) {
    let address = format!("127.0.0.1:{}", world.registry.port());
    world.own_engine_with(&[format!("--registry-mirror=http://{address}")]);
    if let Some(fake) = &world.fake {
        fake.hub(&address);
    }
    for (spelled, path, shown) in [
        ("docker.io/library/x", "library/x", "x"),
        ("docker.io/x", "library/x", "x"),
        ("docker.io/u/x", "u/x", "u/x"),
        ("index.docker.io/library/x", "library/x", "x"),
        ("index.docker.io/u/x", "u/x", "u/x"),
    ] {
        world.repository = spelled.to_owned();
        world.set("IMAGE_REPOSITORY", spelled);
        for tag in ["1.0.0", "2.0.0"] {
            let image = ImageSpec::mode(&["run"]).salt(format!("{path}:{tag}"));
            world.registry.put(path, tag, &image.build());
        }
        let agent = world.agent();
        for tag in ["1.0.0", "2.0.0"] {
            let answer = agent.deploy(&world.image(tag));
            assert_eq!(answer.status, 200, "{spelled}: {}", answer.body);
            assert_eq!(agent.status()["image"], world.image(tag));
        }
        let (code, said) = world.operator("prune", &["--keep", "0", "--yes"]);
        assert_eq!(code, 0, "{spelled}: {said}");
        let removed = format!("removed {}", world.image("1.0.0"));
        assert!(said.contains(&removed), "{spelled}: {said}");
        for (tag, status) in [("1.0.0", 404), ("2.0.0", 200)] {
            let held = world.engine("GET", &format!("/images/{shown}:{tag}/json"), None);
            assert_eq!(held.status, status, "{spelled}:{tag}");
        }
    }
}

/// A line about one layer, as engines write it.
fn about(layer: &str, status: &str) -> Value {
    json!({ "status": status, "progressDetail": {}, "id": layer })
}

fn downloading(layer: &str, current: u64) -> Value {
    let detail = json!({ "current": current, "total": 1000 });
    json!({ "status": "Downloading", "progressDetail": detail, "id": layer })
}

/// A world whose engine says these lines at each pull, and is silent after the last one.
fn scripted(lines: &[Value]) -> World {
    let world = World::new(Kind::Fake);
    world.push("1.0.0", &["run"]);
    let mut script: Vec<_> = lines
        .iter()
        .map(|line| (line.clone(), Duration::ZERO))
        .collect();
    if let Some(last) = script.last_mut() {
        last.1 = SILENCE;
    }
    world
        .fake
        .as_ref()
        .expect("the fake engine")
        .script_pulls(script);
    world
}

#[test]
fn a_silence_while_no_bytes_are_expected_is_waited_for() {
    for last in [
        "Waiting",
        "Verifying Checksum",
        "Download complete",
        "Extracting",
        "Pull complete",
        "Already exists",
        "Something that engines to come may say",
    ] {
        let world = scripted(&[
            about("aaaaaaaaaaaa", "Pulling fs layer"),
            downloading("aaaaaaaaaaaa", 1000),
            about("aaaaaaaaaaaa", last),
        ]);
        let (pulled, took) = pull(&world, "1.0.0");
        assert!(pulled.is_ok(), "{last}: {pulled:?}");
        assert!(took >= SILENCE, "{last}: {took:?}");
    }
}

#[test]
fn a_silence_while_a_layer_downloads_is_a_stall() {
    let other = about("bbbbbbbbbbbb", "Extracting");
    for lines in [
        vec![about("aaaaaaaaaaaa", "Pulling fs layer")],
        vec![downloading("aaaaaaaaaaaa", 10)],
        vec![
            downloading("aaaaaaaaaaaa", 10),
            about("bbbbbbbbbbbb", "Waiting"),
        ],
        vec![
            downloading("aaaaaaaaaaaa", 10),
            downloading("bbbbbbbbbbbb", 10),
            other,
        ],
    ] {
        let world = scripted(&lines);
        let (pulled, took) = pull(&world, "1.0.0");
        assert_stalled(&pulled, took, &format!("{lines:?}"));
    }
}

#[test]
fn an_engine_that_repeats_itself_while_nothing_comes_is_a_stall_too() {
    let world = World::new(Kind::Fake);
    world.push("1.0.0", &["run"]);
    let line = (downloading("aaaaaaaaaaaa", 10), IDLE / 4);
    let fake = world.fake.as_ref().expect("the fake engine");
    fake.script_pulls(vec![line; 30]);
    let (pulled, took) = pull(&world, "1.0.0");
    assert_stalled(&pulled, took, "the same line again and again");
}

#[test]
fn slow_bytes_are_no_stall() {
    let world = World::new(Kind::Fake);
    world.push("1.0.0", &["run"]);
    let lines = (1..8).map(|part| (downloading("aaaaaaaaaaaa", part), IDLE / 2));
    let fake = world.fake.as_ref().expect("the fake engine");
    fake.script_pulls(
        lines
            .chain([(about("aaaaaaaaaaaa", "Pull complete"), IDLE)])
            .collect(),
    );
    let (pulled, took) = pull(&world, "1.0.0");
    assert!(pulled.is_ok() && took > 3 * IDLE, "{pulled:?} {took:?}");
}

#[test]
fn an_engine_that_says_nothing_at_all_is_a_stall() {
    let world = World::new(Kind::Fake);
    world.push("1.0.0", &["run"]);
    let fake = world.fake.as_ref().expect("the fake engine");
    let gate = fake.controls().gate(Verb::ImagePull);
    let (pulled, took) = pull(&world, "1.0.0");
    gate.release();
    assert_stalled(&pulled, took, "nothing is known");
}
