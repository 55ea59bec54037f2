//! The engine's event stream of our container. Events are hints: they are lost under pressure and at restarts.

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::{Stream, StreamExt, future};

use super::Engine;
use super::error::EngineError;

/// What changes what an inspect shows. Not `exec_…`: a health check makes three of them each time it runs.
const ACTIONS: [&str; 10] = [
    "create",
    "start",
    "kill",
    "die",
    "oom",
    "destroy",
    "rename",
    "pause",
    "unpause",
    "health_status",
];

/// SIGINT, SIGQUIT, SIGTERM.
const ENDING: [i64; 3] = [2, 3, 15];

/// Something happened to a container that holds, or held, our name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// Full id of the container.
    pub container: String,
    /// What happened.
    pub action: EventAction,
}

/// The actions that an operation asks about; all others only say "inspect again".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventAction {
    /// Its process ended with this code.
    Died {
        /// Of the process; none if the engine did not say.
        exit_code: Option<i64>,
    },
    /// The kernel killed it, or part of it, for memory.
    OutOfMemory,
    /// Somebody sent it a signal that asks a process to end. Comes before the end, and an inspect would wait for that.
    AskedToEnd,
    /// Its process was started.
    Started,
    /// A health check changed its verdict.
    HealthChanged,
    /// Anything else.
    Other,
}

impl Engine {
    /// Subscribes to the events of our name. Nothing is subscribed before the stream is first polled.
    ///
    /// # Errors
    /// The stream yields one error and ends when the connection breaks. A frozen engine gives no sign at all.
    pub fn events(
        &self,
    ) -> Result<impl Stream<Item = Result<ContainerEvent, EngineError>> + Unpin + use<>, EngineError>
    {
        let names = vec![self.inner.name.as_str().to_owned()];
        let filters = [
            ("type".to_owned(), vec!["container".to_owned()]),
            ("container".to_owned(), names),
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
    let attribute = |name: &str| {
        let attributes = actor.attributes.as_ref()?;
        attributes.get(name)?.parse::<i64>().ok()
    };
    let exit_code = attribute("exitCode");
    let action = match message.action.as_deref()? {
        "die" => EventAction::Died { exit_code },
        "start" => EventAction::Started,
        "kill" if attribute("signal").is_some_and(|signal| ENDING.contains(&signal)) => {
            EventAction::AskedToEnd
        }
        // It changes nothing that is shown.
        "kill" => return None,
        "oom" => EventAction::OutOfMemory,
        health if health.starts_with("health_status") => EventAction::HealthChanged,
        _ => EventAction::Other,
    };
    Some(ContainerEvent {
        container: actor.id?,
        action,
    })
}
