//! Scenarios of other versions: the fake engine as newer ones, on which they hold as well; and engines that answer like
//! another version than they are, which the scenarios find out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dreichor_test_support::fake_engine::{Release, Verb};

use super::failures::a_pull_that_stalls_is_given_up_within_the_budget;
use super::known_engines::a_log_driver_that_cannot_log_fails_the_start;
use super::observed::every_act_of_somebody_else_is_one_record;
use crate::harness::{Kind, World};

on_both_engines!(
    an_engine_that_calls_an_event_otherwise_is_found_out,
    an_engine_that_names_the_digest_of_a_pull_otherwise_is_found_out,
    an_engine_that_says_another_store_than_it_has_is_found_out,
);

/// Runs a scenario that must fail, and gives the words that it failed with.
fn failure(scenario: fn(World), world: World) -> String {
    let panicked = catch_unwind(AssertUnwindSafe(|| scenario(world)));
    let words = panicked.expect_err("the scenario does not notice");
    let words = words.downcast::<String>().expect("an assertion's words");
    *words
}

fn an_engine_that_calls_an_event_otherwise_is_found_out(mut world: World) {
    world.reword(Verb::Events, &[("\"stop\"", "\"halt\"")]);
    let words = failure(every_act_of_somebody_else_is_one_record, world);
    assert!(words.contains("killed somebody"), "{words}");
}

fn an_engine_that_names_the_digest_of_a_pull_otherwise_is_found_out(mut world: World) {
    world.reword(Verb::ImagePull, &[("Digest: ", "Checksum: ")]);
    world.push("1.0.0", &["run"]);
    let answer = world.agent().deploy(&world.image("1.0.0"));
    assert_eq!(answer.status, 502, "{}", answer.body);
    let words = "pull failed: the pull ended without naming a digest";
    assert!(answer.reason().contains(words), "{}", answer.body);
}

fn an_engine_that_says_another_store_than_it_has_is_found_out(mut world: World) {
    let told = "[\"driver-type\",\"io.containerd.snapshotter.v1\"]";
    let other = match world.store().is_containerds() {
        true => (told, "[\"Backing Filesystem\",\"extfs\"]"),
        false => ("[\"Backing Filesystem\",\"extfs\"]", told),
    };
    world.reword(Verb::Info, &[other]);
    let words = failure(a_pull_that_stalls_is_given_up_within_the_budget, world);
    assert!(words.contains("repeating the deploy"), "{words}");
}

/// Fake engines in the words of newer ones.
fn newer() -> [World; 2] {
    [Release::V28_5, Release::V29_1].map(|release| {
        let world = World::new(Kind::Fake);
        world.fake.as_ref().expect("fake").release(release);
        world
    })
}

#[test]
fn every_act_of_somebody_else_is_one_record_of_newer_fake_engines_too() {
    newer()
        .into_iter()
        .for_each(every_act_of_somebody_else_is_one_record);
}

#[test]
fn a_log_driver_that_cannot_log_fails_the_start_of_newer_fake_engines_too() {
    newer()
        .into_iter()
        .for_each(a_log_driver_that_cannot_log_fails_the_start);
}
