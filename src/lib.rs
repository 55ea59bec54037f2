//! The deploy agent of Dreichor: the only component that starts, stops or replaces the runtime container.
//!
//! Every module, from the top down; imports go down only, and a test holds it.
//!
//! | layer | modules |
//! |---|---|
//! | program | `main.rs` arguments to exit code; [`cli`] the command line, a file a command, `serve` among them, which wires the running agent; [`exit`] the exit codes |
//! | faces | [`http`] the three routes: guarded, parsed, handed on, answered; [`local`] the operator's socket; [`metrics`] a file for a monitor |
//! | handle | [`agent`] submit, status, drain: what the routes hold |
//! | order | [`actor`] the `ContainerActor`: one operation after the other, and nothing else; [`systemd`] what the service manager is told |
//! | what is the case | [`overview`] what a person or a monitor asks: runtime, last operation, freeze, trail |
//! | operations | [`operation`] the straight line of a deploy and of a stop; pull, prune, freeze and thaw |
//! | what is known | [`runtime`] the watcher of the engine's events, the view that a status shows, the step that runs now |
//! | infrastructure | [`engine`] the only part that knows bollard; [`registry`] asked for signatures; [`history`] the trail for people; [`logging`] |
//! | what is given | [`settings`] every problem at once; [`credentials`] for the registry; [`freeze`] whether deploys are held |
//! | leaves | [`audit`] the trail; [`access`] who may ask; [`signature`] what a signature must say to count |
//! | words | [`domain`] parsed once, valid from then on; [`clock`]; [`https`]; [`way_out`] of the host |
//!
//! Read [`operation`] first, then [`engine`], then [`actor`]; [`audit`] and [`access`] stand on their own.
//!
//! Words: a request is *denied* when the access check fails, and *rejected* when anything else keeps it from becoming an
//! operation; an operation *fails* at a step; the engine *refuses* a call.
//!
//! A deploy, from the request to the answer:
//!
//! ```text
//! POST /v1/deploy -> http: access, headers, body -> agent: a permit of the queue, or 503
//!   -> actor's mailbox -> operation, each step with a deadline, its intent and outcome in the trail:
//!      preflight  files, binds, plane, trail, engine
//!      pull       exactly repository:tag
//!      verify     platform, digest, the tag's immutability, the signature
//!      ---------- up to here nothing has touched the running container
//!      stop       SIGTERM, grace, SIGKILL; how it ended is recorded
//!      remove     without force, until the name is free
//!      create     under the fixed name
//!      start
//!      confirm    alive for the whole window
//!   -> the view is refreshed -> the answer: 200, or the step that failed and what runs now
//! ```

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
pub mod freeze;
pub mod history;
pub mod http;
pub mod https;
pub mod local;
pub mod logging;
pub mod metrics;
pub mod operation;
pub mod overview;
pub mod registry;
pub mod runtime;
pub mod settings;
pub mod signature;
pub mod systemd;
pub mod way_out;

/// This agent's version with the commit it was built from (`0.1.0+0123456789ab`), as records, labels and `--version`
/// have it; without a commit where there was no git checkout.
pub const VERSION: &str = env!("DEPLOY_AGENT_VERSION");
