//! The world the agent is tested in: sample images, a registry that serves them, a database port, a fake Docker Engine,
//! and the one reader of HTTP that all of them and the tests share.

pub mod crates;
pub mod database;
pub mod fake_engine;
pub mod http;
pub mod images;
pub mod registry;
pub mod sample;
