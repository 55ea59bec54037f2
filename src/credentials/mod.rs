//! Credentials for the registry, from Docker's own `config.json`, read afresh at every pull so that a
//! `docker login` or a rotated file counts at once.
//!
//! The crate `docker_credential` reads the same file, but runs helpers synchronously, without a deadline
//! and without a way to kill them, and its errors repeat what a helper printed. A helper that hangs would
//! hold up every deployment, and one that fails may print a password: hence this module.

mod config_file;
mod error;
mod helper;
mod lookup;
mod registry_auth;

pub use error::CredentialsError;
pub use helper::HelperEnvironment;
pub use lookup::{HELPER_DEADLINE, Lookup, RegistryCredentials};
pub use registry_auth::RegistryAuth;
