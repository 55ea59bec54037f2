//! Settings: environment variables, parsed once, every problem reported at once.
//!
//! Each layer is handed its own small struct. Unknown variables are ignored, but for those that look like a misspelled
//! check: of access or of signatures.

mod access;
mod container;
mod display;
mod engine;
pub mod env_file;
mod load;
pub mod names;
mod operation;
mod paths;
mod problem;
mod proxy;
mod reader;
mod runtime;
mod signature;
#[cfg(test)]
mod tests;

pub(crate) use container::shown_init;
pub use container::{Limits, LogBounds};
pub use engine::{EngineAddress, EngineSettings};
pub use load::Settings;
pub use operation::{Confirm, OperationSettings, SIGNATURE_LIMIT, STOP_SLACK};
pub(crate) use paths::ENVIRONMENTS;
pub use problem::{Problem, SettingsError};
pub use proxy::{ProxyAddress, ProxySettings};
pub use runtime::{RestartPolicy, RuntimeSettings};
