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

mod contract;
mod disk;
mod engine;
mod failures;
mod life;
mod names;
mod order;
mod outside;
mod prune;
mod read_only;
mod registry;
mod registry_digests;
mod registry_faults;
