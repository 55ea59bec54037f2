//! The world the agent is tested in: sample images, a registry that serves them, a fake Docker Engine.

pub mod fake_engine;
pub mod images;
pub mod registry;
pub mod sample;
