//! Who asked: what was proven of a caller stands apart from what was only claimed, also of a request that came to nothing.

use aws_lc_rs::digest;
use dreichor_test_support::fake_engine::Verb;
use serde_json::{Value, json};

use crate::harness::{Agent, CLIENT_ID, CLIENT_SECRET, Kind, World, contract_headers, until};

const RUN: &str = "dreichor-ci run/4711 actor/octocat";

fn world(pinned: bool) -> (World, Agent) {
    let mut world = World::new(Kind::Fake);
    world.set("START_CONFIRMATION_SECONDS", "0");
    world.push("1.0.0", &["run"]);
    if pinned {
        let hash = digest::digest(&digest::SHA256, CLIENT_SECRET.as_bytes());
        let hash: String = hash
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        world.set("CF_ACCESS_CLIENT_ID", CLIENT_ID);
        world.set("CF_ACCESS_CLIENT_SECRET_SHA256", &hash);
    }
    let agent = world.agent();
    (world, agent)
}

fn deploy(world: &World, agent: &Agent, image: &str) -> u16 {
    let mut headers = contract_headers().to_vec();
    headers.push(("User-Agent", RUN));
    let body = json!({ "image": world.image(image) }).to_string();
    agent.request("POST", "/v1/deploy", &headers, &body).status
}

fn rejected(world: &World) -> Value {
    until("it is recorded", std::time::Duration::from_secs(30), || {
        !world.events("rejected").is_empty()
    });
    world.events("rejected").pop().expect("a record")
}

#[test]
fn a_pinned_token_is_proven_and_an_invented_one_is_only_claimed() {
    for (pinned, proven, shown) in [
        (true, json!(["pinned_token"]), "ci.access "),
        (false, json!([]), "ci.access?"),
    ] {
        let (world, agent) = world(pinned);
        assert_eq!(deploy(&world, &agent, "1.0.0"), 200);
        let requester = &world.events("operation_started")[0]["requester"];
        assert_eq!(requester["client_id"], CLIENT_ID);
        assert_eq!(requester["proven"], proven, "{requester}");
        assert_eq!(
            requester["user_agent"], RUN,
            "claimed, and recorded as that"
        );
        let said = world.history(&[]);
        assert!(said.contains(shown), "{said}");
    }
}

#[test]
fn a_rejected_deploy_names_its_image_and_who_was_proven() {
    let (world, agent) = world(true);
    assert_eq!(deploy(&world, &agent, "not a tag"), 422);
    let record = rejected(&world);
    assert_eq!(record["image"], world.image("not a tag"), "{record}");
    assert_eq!(record["requester"]["proven"], json!(["pinned_token"]));
    assert_eq!(record["requester"]["user_agent"], RUN);
}

#[test]
fn a_denied_request_proves_nothing() {
    let (world, agent) = world(true);
    let mut headers = contract_headers();
    headers[1].1 = "invented";
    assert_eq!(agent.request("POST", "/v1/stop", &headers, "").status, 403);
    let record = rejected(&world);
    assert_eq!(record["requester"]["client_id"], CLIENT_ID);
    assert_eq!(record["requester"]["proven"], json!([]));
}

#[test]
fn a_deploy_that_is_refused_because_the_agent_ends_is_recorded_with_its_image() {
    let (world, mut agent) = world(true);
    let fake = world.fake.as_ref().expect("the fake engine");
    let gate = fake.controls().gate(Verb::ContainerCreate);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| deploy(&world, &agent, "1.0.0"));
        assert!(gate.reached_within(std::time::Duration::from_secs(20)));
        agent.signal("TERM");
        until("it ends", std::time::Duration::from_secs(10), || {
            agent.log().contains("nothing more is admitted")
        });
        assert_eq!(deploy(&world, &agent, "2.0.0"), 503);
        gate.release();
        assert_eq!(running.join().expect("answered"), 200);
    });
    assert!(agent.wait().success());
    let record = rejected(&world);
    assert_eq!(
        (&record["http"], &record["image"]),
        (&json!(503), &json!(world.image("2.0.0")))
    );
    assert!(
        record["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("shutting down"))
    );
}
