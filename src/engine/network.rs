//! Asking about the network that a container is to join.

use super::error::{EngineError, EngineFault};
use super::{Engine, ask};

/// Docker's own modes, which need no network of this name: with the bridge switched off a container gets none at all.
const MODES: [&str; 4] = ["host", "none", "bridge", "default"];

impl Engine {
    /// Why a container could not join the network of this name; none if it can, or needs none.
    ///
    /// # Errors
    /// As for every question to the engine.
    pub async fn network_problem(&self, name: &str) -> Result<Option<String>, EngineError> {
        if MODES.contains(&name) {
            return Ok(None);
        }
        let found = match ask(self.client()?.inspect_network(name, None)).await {
            Ok(found) => found,
            Err(EngineError {
                fault: EngineFault::Refused { status, message },
                ..
            }) if status < 500 => return Ok(Some(message)),
            Err(error) => return Err(error),
        };
        // The engine also finds networks by a piece of their id, which is nobody's name for one.
        let named = found.name.as_deref() == Some(name) || found.id.as_deref() == Some(name);
        let swarm = found.scope.as_deref() == Some("swarm");
        let problem = if !named {
            "there is no network of this name"
        } else if found.config_only == Some(true) {
            "it only holds a configuration for other networks, and no container can join it"
        } else if found.ingress == Some(true) || (swarm && found.attachable != Some(true)) {
            "it is a swarm's, and only a swarm's services can join it"
        } else {
            return Ok(None);
        };
        Ok(Some(problem.to_owned()))
    }
}
