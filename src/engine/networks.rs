//! The engine's networks.

use super::error::EngineError;
use super::{Engine, INSPECT_DEADLINE, call};

/// Modes that need no network of the engine's.
const WITHOUT_NETWORK: [&str; 2] = ["host", "none"];
/// The mode that means the engine's own bridge, and the name of that.
const DEFAULT: (&str, &str) = ("default", "bridge");

impl Engine {
    /// Why a container could not be started in this network mode; nothing when it can.
    ///
    /// # Errors
    /// The engine is unreachable, or does not answer within [`INSPECT_DEADLINE`].
    pub async fn network_problem(&self, mode: &str) -> Result<Option<String>, EngineError> {
        if WITHOUT_NETWORK.contains(&mode) {
            return Ok(None);
        }
        let name = if mode == DEFAULT.0 { DEFAULT.1 } else { mode };
        let found = call(INSPECT_DEADLINE, self.client()?.inspect_network(name, None)).await;
        let found = match found {
            Ok(found) => found,
            Err(error) if error.says_absent() => {
                return Ok(Some(format!("the engine has no network {name}")));
            }
            Err(error) => return Err(error.proven_without_effect()),
        };
        // The engine finds networks by id prefix too, when it looks for one, but not when it starts a container.
        if found.name.as_deref() != Some(name) {
            return Ok(Some(format!("the engine has no network named {name}")));
        }
        if found.config_only == Some(true) {
            let problem = format!("network {name} is the configuration of others and holds none");
            return Ok(Some(problem));
        }
        if found.scope.as_deref() == Some("swarm") && found.attachable != Some(true) {
            let problem = format!("network {name} belongs to a swarm and is not attachable");
            return Ok(Some(problem));
        }
        Ok(None)
    }
}
