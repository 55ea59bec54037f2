//! What an operation may ask of the engine, and a status of the allocator: counted, not timed.

use std::time::{Duration, SystemTime};

use deploy_agent::access::{Access, Header, Presented};
use deploy_agent::domain::{ContainerName, Environment};
use deploy_agent::runtime::view;
use dreichor_test_support::fake_engine::{Controls, FaultProxy, Verb};

use super::access_support::access_settings;
use crate::harness::{Agent, Kind, World, until};

/// Longer than an event takes to cause a look.
const LOOKED: Duration = Duration::from_millis(500);
/// Longer than the observer waits for more events before it looks once more.
const SETTLED: Duration = Duration::from_millis(2500);

/// An agent that has deployed, on an engine that counts its calls: the fake one by itself, the real one behind a proxy.
struct Counted {
    agent: Agent,
    proxy: Option<FaultProxy>,
    world: World,
}

impl Counted {
    /// The count begins when everything that the deploy has caused is over.
    fn deployed(kind: Kind) -> Self {
        let mut world = World::new(kind);
        // The periodic look must not come between.
        world.set("STATUS_MAX_AGE_SECONDS", "3600");
        // Long enough for the events of the start to come before the answer: one behind it would be looked after.
        world.set("START_CONFIRMATION_SECONDS", "1");
        let proxy = world.proxied();
        for tag in ["1.0.0", "1.0.1"] {
            world.push(tag, &["run"]);
        }
        let agent = world.agent();
        let counted = Self {
            agent,
            proxy,
            world,
        };
        counted.deploy("1.0.0");
        counted.settle(SETTLED);
        counted.controls().reset_calls();
        counted
    }

    fn controls(&self) -> &Controls {
        self.world.controls(&self.proxy)
    }

    fn verbs(&self) -> Vec<Verb> {
        let calls = self.controls().calls();
        calls.iter().map(|call| call.verb).collect()
    }

    /// Waits until the looks that events cause are over: none has come for so long.
    fn settle(&self, pause: Duration) {
        let mut counted = 0;
        until("no more looks", Duration::from_secs(20), || {
            let before = std::mem::replace(&mut counted, self.verbs().len());
            std::thread::sleep(pause);
            before == counted
        });
    }

    fn deploy(&self, tag: &str) {
        let answer = self.agent.deploy(&self.world.image(tag));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    fn runs(&self, running: bool) -> bool {
        let answer = self.agent.status_answer();
        answer.status == 200 && answer.json()["running"] == running
    }
}

#[test]
fn a_status_asks_nothing_of_the_engine() {
    let counted = Counted::deployed(Kind::Fake);
    for _ in 0..200 {
        assert_eq!(counted.agent.status_answer().status, 200);
    }
    assert_eq!(counted.verbs(), []);
}

fn is_look(verb: &Verb) -> bool {
    matches!(verb, Verb::ContainerInspect | Verb::ContainerList)
}

/// How many inspects; one that shows nothing is followed by the list, once.
fn inspects_among(looks: &[Verb]) -> usize {
    let inspects = looks.iter().filter(|verb| **verb == Verb::ContainerInspect);
    let inspects = inspects.count();
    let lists = looks.len() - inspects;
    assert!(lists < inspects, "the first shows the old one: {looks:?}");
    inspects
}

/// The eight calls that do or ask something, each once (version and info side by side), and inspects: of what is to be replaced, of the confirmation,
/// for the view before the answer, and one for each event (end, removal, creation, start).
fn a_deploy_makes_eight_calls(kind: Kind) {
    let counted = Counted::deployed(kind);
    counted.deploy("1.0.1");
    assert!(counted.runs(true), "the status shows the deploy");
    counted.settle(LOOKED);
    let (looks, mut others): (Vec<Verb>, Vec<Verb>) =
        counted.verbs().into_iter().partition(is_look);
    others[..2].sort_by_key(|verb| *verb != Verb::Version);
    assert_eq!(
        others,
        [
            Verb::Version,
            Verb::Info,
            Verb::ImagePull,
            Verb::ImageInspect,
            Verb::ContainerStop,
            Verb::ContainerRemove,
            Verb::ContainerCreate,
            Verb::ContainerStart,
        ]
    );
    let inspects = inspects_among(&looks);
    assert!((3..=7).contains(&inspects), "{looks:?}");
}

#[test]
fn a_deploy_makes_eight_calls_and_an_inspect_for_each_event() {
    a_deploy_makes_eight_calls(Kind::Fake);
}

#[test]
fn a_deploy_on_the_real_engine_makes_the_same_eight_calls() {
    a_deploy_makes_eight_calls(Kind::Real);
}

fn a_stop_makes_two_calls_and_looks(kind: Kind) {
    let counted = Counted::deployed(kind);
    assert_eq!(counted.agent.stop().status, 200);
    counted.settle(LOOKED);
    let (changing, looks): (Vec<Verb>, Vec<Verb>) = counted
        .verbs()
        .into_iter()
        .partition(|verb| verb.changes_something());
    assert_eq!(changing, [Verb::ContainerStop, Verb::ContainerRemove]);
    assert!(looks.iter().all(is_look));
    // Before the stop, before the answer, and one for each event: the end and the removal.
    let inspects = inspects_among(&looks);
    assert!((2..=4).contains(&inspects), "{looks:?}");
}

#[test]
fn a_stop_changes_with_two_calls_and_looks_a_few_times() {
    a_stop_makes_two_calls_and_looks(Kind::Fake);
}

#[test]
fn a_stop_on_the_real_engine_changes_with_the_same_two_calls() {
    a_stop_makes_two_calls_and_looks(Kind::Real);
}

#[test]
fn a_look_of_the_confirmation_that_an_event_has_overtaken_is_not_shown() {
    let counted = Counted::deployed(Kind::Fake);
    let starting = counted.controls().gate(Verb::ContainerStart);
    std::thread::scope(|scope| {
        let deployed = scope.spawn(|| counted.deploy("1.0.1"));
        assert!(starting.reached_within(Duration::from_secs(15)));
        // What it shows is fixed, and on its way; so is the watcher's, behind the start's event, whichever comes first.
        let looked = counted.controls().gate_after(Verb::ContainerInspect);
        starting.release();
        until("both looks", Duration::from_secs(15), || {
            looked.arrived() >= 2
        });
        counted.world.act(&counted.world.name, "kill");
        std::thread::sleep(LOOKED);
        looked.release();
        deployed.join().expect("answered");
    });
    assert!(counted.runs(false));
}

#[test]
fn an_event_that_changes_nothing_causes_no_look() {
    let counted = Counted::deployed(Kind::Fake);
    let id = counted.world.id();
    counted.controls().reset_calls();
    counted.world.act(&id, "kill?signal=USR1");
    std::thread::sleep(LOOKED);
    assert_eq!(counted.verbs(), [Verb::ContainerKill]);
}

#[test]
fn a_status_with_a_pinned_token_allocates_nothing_of_its_own() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let pinned = [
        ("CF_ACCESS_CLIENT_ID", "ci.access"),
        ("CF_ACCESS_CLIENT_SECRET_SHA256", hash),
    ];
    let access = Access::new(access_settings(&pinned).unwrap());
    let name = ContainerName::parse("x-dev", Environment::Dev).unwrap();
    let (publisher, shown) = view(name, Duration::from_secs(3600));
    publisher.publish(None);
    let presented = Presented {
        client_id: Header::Once(b"ci.access"),
        client_secret: Header::Once(b"test"),
        assertion: Header::Absent,
    };
    let status = || {
        access.check(&presented, SystemTime::now()).unwrap();
        shown.status_body().unwrap()
    };
    // The first use makes what lasts.
    drop(status());
    let counted = allocation_counter::measure(|| drop(status()));
    assert_eq!(counted.count_total, 0);
}
