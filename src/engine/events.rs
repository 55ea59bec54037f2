//! The engine's event stream of containers. Events are hints: they are lost under pressure and at restarts.

use std::collections::HashMap;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::{Stream, StreamExt, future};

use super::Engine;
use super::error::EngineError;

/// What tells what became of a container, and who did it. Not `exec_…`: a health check makes three of them each time it
/// runs.
const ACTIONS: [&str; 13] = [
    "create",
    "start",
    "kill",
    "die",
    "stop",
    "restart",
    "oom",
    "destroy",
    "rename",
    "pause",
    "unpause",
    "update",
    "health_status",
];

/// Something happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// Full id of the container.
    pub container: String,
    /// The name that it has now.
    pub name: String,
    /// When, by the engine's clock, in nanoseconds since 1970.
    pub at_nanos: Option<i64>,
    /// What happened.
    pub action: EventAction,
}

/// What happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventAction {
    /// It was made.
    Created,
    /// Its process was started.
    Started,
    /// A signal was sent to its process, which has not ended by that.
    Signalled {
        /// Its number.
        signal: Option<String>,
    },
    /// Its process ended with this code.
    Died {
        /// Of the process; none if the engine did not say.
        exit_code: Option<i64>,
    },
    /// A stop that was asked for is over.
    Stopped,
    /// A restart that was asked for is over.
    Restarted,
    /// The kernel killed it, or part of it, for memory.
    OutOfMemory,
    /// It was removed.
    Removed,
    /// It has another name now.
    Renamed {
        /// The name before.
        from: String,
    },
    /// It was frozen.
    Paused,
    /// It was thawed.
    Unpaused,
    /// Its limits or its restart policy were changed.
    Updated,
    /// A health check changed its verdict.
    HealthChanged,
}

impl Engine {
    /// Subscribes to the events of all containers: what is renamed away from our name is told under the other name.
    /// Nothing is subscribed before the stream is first polled.
    ///
    /// # Errors
    /// The stream yields one error and ends when the connection breaks. A frozen engine gives no sign at all.
    pub fn events(
        &self,
    ) -> Result<impl Stream<Item = Result<ContainerEvent, EngineError>> + Unpin + use<>, EngineError>
    {
        let filters = [
            ("type".to_owned(), vec!["container".to_owned()]),
            ("event".to_owned(), ACTIONS.map(str::to_owned).to_vec()),
        ];
        let options = EventsOptions {
            filters: Some(filters.into()),
            ..EventsOptions::default()
        };
        let stream = self.client()?.events(Some(options)).boxed();
        Ok(stream.filter_map(|message| {
            future::ready(
                message
                    .map(container_event)
                    .map_err(EngineError::from)
                    .transpose(),
            )
        }))
    }
}

fn container_event(message: EventMessage) -> Option<ContainerEvent> {
    let actor = message.actor?;
    let attributes = actor.attributes.unwrap_or_default();
    Some(ContainerEvent {
        container: actor.id?,
        name: attributes.get("name").cloned().unwrap_or_default(),
        at_nanos: message.time_nano,
        action: action(message.action.as_deref()?, &attributes)?,
    })
}

fn action(word: &str, attributes: &HashMap<String, String>) -> Option<EventAction> {
    let attribute = |name: &str| attributes.get(name).cloned();
    Some(match word {
        "create" => EventAction::Created,
        "start" => EventAction::Started,
        "kill" => EventAction::Signalled {
            signal: attribute("signal"),
        },
        "die" => EventAction::Died {
            exit_code: attribute("exitCode").and_then(|code| code.parse().ok()),
        },
        "stop" => EventAction::Stopped,
        "restart" => EventAction::Restarted,
        "oom" => EventAction::OutOfMemory,
        "destroy" => EventAction::Removed,
        "rename" => EventAction::Renamed {
            from: attribute("oldName")?.trim_start_matches('/').to_owned(),
        },
        "pause" => EventAction::Paused,
        "unpause" => EventAction::Unpaused,
        "update" => EventAction::Updated,
        health if health.starts_with("health_status") => EventAction::HealthChanged,
        _ => return None,
    })
}
