//! Scenarios: each runs on the fake engine and on the real one, and must mean the same on both.

/// Makes a test of each scenario for each engine.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod fake {
            use crate::harness::{Kind, World};
            $(#[test] fn $name() { super::$name(World::new(Kind::Fake)); })+
        }
        mod real {
            use crate::harness::{Kind, World};
            $(#[test] fn $name() { super::$name(World::new(Kind::Real)); })+
        }
    };
}

/// Makes four tests of each scenario: for both kinds of runtime, each on both engines. The scenario puts its images
/// there with `World::push_runtime`, and what it asserts holds for a runtime that loops and for one that stays.
macro_rules! with_both_runtimes {
    ($($name:ident),+ $(,)?) => {
        mod loops {
            with_both_runtimes!(@engines Loops: $($name),+);
        }
        mod serves {
            with_both_runtimes!(@engines Serves: $($name),+);
        }
    };
    (@engines $runtime:ident: $($name:ident),+) => {
        mod fake {
            use crate::harness::{Kind, Runtime, World};
            $(#[test] fn $name() { super::super::$name(World::with_runtime(Kind::Fake, Runtime::$runtime)); })+
        }
        mod real {
            use crate::harness::{Kind, Runtime, World};
            $(#[test] fn $name() { super::super::$name(World::with_runtime(Kind::Real, Runtime::$runtime)); })+
        }
    };
}

mod acts;
mod another_version;
mod by_digest;
mod container_bounds;
mod contract;
mod disk;
mod downtime;
mod engine;
mod engine_answers;
mod failures;
mod freeze;
mod full_disk;
mod immutable_through_faults;
mod known;
mod known_engines;
mod known_images;
mod ledger_lost;
mod life;
mod loop_disk;
mod looping;
mod names;
mod observed;
mod order;
mod outside;
mod prune;
mod pull_ahead;
mod pull_limits;
mod read_only;
mod registry;
mod registry_digests;
mod registry_faults;
mod strangers;
mod unwatched;
