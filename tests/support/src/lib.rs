//! The world the agent is tested in: sample images, a registry that serves them, a database port, a fake Docker Engine.

pub mod database;
pub mod fake_engine;
pub mod images;
pub mod registry;
pub mod sample;
