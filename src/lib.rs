//! The deploy agent of Dreichor: the only component that starts, stops or replaces the runtime container.
//!
//! The house, and an order to read it in. Imports go down only.
//!
//! | floor | room |
//! |---|---|
//! | wiring | `main.rs` arguments to exit code, [`cli`] the command line, a file a command, [`exit`] the exit codes, [`logging`] |
//! | face | [`http`] three routes, guarded, parsed, answered; [`access`] who may ask |
//! | handle | [`agent`] submit, status, drain |
//! | order | [`actor`] the `ContainerActor`: one operation after the other; [`systemd`] what the manager is told |
//! | heart | [`operation`] the straight line of a deploy and of a stop |
//! | ground | [`engine`] the only part that knows bollard; [`audit`] the trail; [`view`] and [`watcher`] what is known; [`credentials`] for the registry |
//! | words | [`domain`] parsed once, valid from then on; [`settings`] every problem at once; [`clock`] |
//!
//! Start with [`operation`], then [`engine`], then [`actor`].

#![forbid(unsafe_code)]

pub mod access;
pub mod actor;
pub mod agent;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod credentials;
pub mod domain;
pub mod engine;
pub mod exit;
pub mod history;
pub mod http;
pub mod logging;
pub mod operation;
pub mod settings;
pub mod systemd;
pub mod view;
pub mod watcher;

/// This agent's version with the commit it was built from (`0.1.0+0123456789ab`), as records, labels and `--version`
/// have it; without a commit where there was no git checkout.
pub const VERSION: &str = env!("DEPLOY_AGENT_VERSION");
