//! A Docker Engine (API 1.41) that a test owns: a real unix socket, simulated containers, and
//! faults on request.
//!
//! Reading order: [`FakeEngine`] is what a test holds; `server` and `front` are the socket,
//! `routes` says which call goes where, `host` holds the simulated world, `life` lets its
//! processes live and die. [`FaultProxy`] puts the same [`Controls`] in front of a real engine.

mod acts;
mod coming_up;
mod container;
mod controls;
mod create;
mod deliver;
mod engine;
mod events;
mod fault;
mod front;
mod gate;
mod host;
mod images;
mod life;
mod list;
mod message;
mod power;
mod proxy;
mod pull;
mod refusals;
mod registry_client;
mod release;
mod remove;
mod routes;
mod server;
mod sightings;
#[cfg(test)]
mod tests;
mod verb;

use crate::http;

pub use controls::{Call, Controls};
pub use engine::{ContainerView, FakeEngine, NewContainer};
pub use fault::{ErrorBody, Fault, Kind, When};
pub use gate::Gate;
pub use power::{Life, WhileAway};
pub use proxy::FaultProxy;
pub use refusals::Network;
pub use release::Release;
pub use sightings::{Seen, Sighting};
pub use verb::Verb;
