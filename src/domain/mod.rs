//! The nouns of the contract: parsed once, valid from then on. No I/O, no async.

mod container_name;
mod environment;
mod execution_plane;
mod familiar;
mod host_paths;
mod image;
mod process_env;
mod redaction;
mod runtime_env;

pub use container_name::{ContainerName, ContainerNameError};
pub use environment::{Environment, UnknownEnvironment};
pub use execution_plane::{AllowedPlanes, PlaneError};
pub use host_paths::{HostPaths, NamedPath, Overlap, Protected, Relation};
pub use image::{
    DEFAULT_REPOSITORY, ImageError, ImageReference, Repository, RepositoryError, Tag,
    names_a_repository,
};
pub use process_env::ProcessEnv;
pub use redaction::{blank_secrets, blank_secrets_but_ids, blank_values, shown_name, whole_words};
pub use runtime_env::{RuntimeEnv, RuntimeEnvError};
