//! The states that the name can be in before an operation, brought about past the agent.

use std::time::Duration;

use dreichor_test_support::fake_engine::{FakeEngine, Life, NewContainer};

use crate::harness::{World, engine_call, until};

/// How long a removal goes on that is under way when an operation begins.
const REMOVAL: Duration = Duration::from_millis(150);

/// What holds the name before the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Absent,
    Running,
    Exited,
    Created,
    Paused,
    Restarting,
    /// A removal by somebody else is under way.
    Removing,
    /// A removal failed; on the fake engine only, a real one cannot be brought there at will.
    Dead,
}

impl Before {
    pub const ALL: [Self; 8] = [
        Self::Absent,
        Self::Running,
        Self::Exited,
        Self::Created,
        Self::Paused,
        Self::Restarting,
        Self::Removing,
        Self::Dead,
    ];

    /// Whether what holds the name stays as it is when nobody touches it.
    pub const fn is_still(self) -> bool {
        !matches!(self, Self::Restarting | Self::Removing)
    }
}

/// Brings the name into a state.
pub fn arrange(world: &World, before: Before) {
    if before == Before::Running && world.fake.is_none() && runs_already(world) {
        return;
    }
    clear(world);
    let started = |tag, policy| {
        let id = world.foreign_container(tag, policy);
        world.act(&id, "start");
        id
    };
    match before {
        Before::Absent => {}
        Before::Running => drop(started("1.0.0", "unless-stopped")),
        Before::Created => drop(world.foreign_container("1.0.0", "no")),
        Before::Exited => {
            let id = started("1.0.0", "no");
            world.act(&id, "stop?t=0");
        }
        Before::Paused => {
            let id = started("1.0.0", "no");
            world.act(&id, "pause");
        }
        Before::Restarting => {
            started("0.0.1", "always");
            until("in backoff", Duration::from_secs(20), || {
                world.shown()["State"]["Restarting"] == true
            });
        }
        Before::Removing => being_removed(world, &started("1.0.0", "no")),
        Before::Dead => {
            let dead = NewContainer::named(&world.name).life(Life::Dead);
            fake(world).add_container(dead);
        }
    }
}

/// A real container takes its time: one that an earlier deploy left will do.
fn runs_already(world: &World) -> bool {
    let shown = world.container();
    shown.is_some_and(|shown| shown["State"]["Status"] == "running")
}

fn fake(world: &World) -> &FakeEngine {
    world.fake.as_ref().expect("a state of the fake engine")
}

/// Leaves nothing under the name; a removal that is under way is waited for.
fn clear(world: &World) {
    if let Some(fake) = &world.fake {
        fake.slow_removals(Duration::ZERO);
    }
    until("the name is free", Duration::from_secs(20), || {
        let shown = world.container();
        if let Some(shown) = &shown {
            world.remove(shown["Id"].as_str().expect("an id"));
        }
        shown.is_none()
    });
}

/// Somebody else's removal, under way when this returns.
fn being_removed(world: &World, id: &str) {
    let fake = fake(world);
    fake.slow_removals(REMOVAL);
    let socket = fake.socket().to_owned();
    let path = format!("/containers/{id}?force=1&v=1");
    std::thread::spawn(move || engine_call(&socket, "DELETE", &path, None));
    until("the removal is under way", Duration::from_secs(30), || {
        world
            .container()
            .is_none_or(|shown| shown["State"]["Status"] == "removing")
    });
    // Only this one is slow.
    fake.slow_removals(Duration::ZERO);
}
