//! The proofs that the changing verbs hand out, and the one inspect that decides a call whose answer was lost.

use super::container::{ContainerId, Observed};
use super::error::{Effect, EngineError};
use super::{Engine, INSPECT_DEADLINE};

/// Proof that nothing held the name a moment ago.
#[derive(Debug)]
pub struct Vacancy(pub(super) ());

/// Who holds the runtime's name.
#[derive(Debug)]
pub enum Holder {
    /// Nobody: a container can be created under it.
    Nobody(Vacancy),
    /// This container.
    Container(Box<Observed>),
}

impl Holder {
    /// The id of the container, if there is one.
    #[must_use]
    pub fn container(&self) -> Option<&ContainerId> {
        match self {
            Self::Nobody(_) => None,
            Self::Container(observed) => Some(&observed.id),
        }
    }
}

/// A container that was created by this operation and not started yet.
#[derive(Debug)]
pub struct CreatedContainer {
    /// Its id.
    pub id: ContainerId,
}

/// A container whose start the engine has answered or shown.
#[derive(Debug, Clone)]
pub struct StartedContainer {
    /// Its id.
    pub id: ContainerId,
}

impl Engine {
    /// What holds the name.
    ///
    /// # Errors
    /// As [`Engine::inspect_name`].
    pub async fn holder(&self) -> Result<Holder, EngineError> {
        Ok(match self.inspect_name().await? {
            Some(observed) => Holder::Container(Box::new(observed)),
            None => Holder::Nobody(Vacancy(())),
        })
    }

    /// One bounded inspect after a failed call: `Ok` if it shows what the call was to bring about.
    pub(super) async fn decide(
        &self,
        error: EngineError,
        id: &ContainerId,
        reached: impl Fn(Option<&Observed>) -> bool,
    ) -> Result<(), EngineError> {
        if error.effect == Effect::None && !error.is_status(409) {
            return Err(error);
        }
        let observed = tokio::time::timeout(INSPECT_DEADLINE, self.inspect(id)).await;
        match observed {
            Ok(Ok(observed)) if reached(observed.as_ref()) => Ok(()),
            Ok(Ok(_)) if error.answered() => Err(error.proven_without_effect()),
            // Not yet does not mean never: a call that was cut may still go on in the engine.
            _ => Err(error),
        }
    }
}
