//! From a call to what the host does about it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::acts::{Acted, signal_number};
use super::create::Wish;
use super::front::{Answering, Backend};
use super::host::Host;
use super::message::{Answer, Request};
use super::verb::Verb;

impl Backend for Host {
    fn answer(self: Arc<Self>, request: Request) -> Answering {
        Box::pin(async move { Ok(self.act(&request).await.unwrap_or_else(|refused| refused)) })
    }
}

impl Host {
    async fn act(self: &Arc<Self>, request: &Request) -> Acted {
        if let Some(problem) = request.version_problem() {
            return Err(problem);
        }
        let key = request.subject.as_str();
        let grace = || request.param("t").and_then(|text| text.parse().ok());
        match request.verb {
            Verb::Ping => Ok(Answer::text(200, "OK")),
            Verb::Version => Ok(Answer::json(200, &version())),
            Verb::Info => Ok(Answer::json(
                200,
                &json!({ "OSType": "linux", "Driver": "overlay2" }),
            )),
            Verb::ImagePull => Ok(self.pull(request)),
            Verb::ImageInspect => self.inspect_image(key),
            Verb::ImageList => self.list_images(request),
            Verb::ImageRemove => self.remove_image(key, request.flag("force")),
            Verb::ContainerCreate => self.create(&Wish::of(request)?),
            Verb::ContainerInspect => Ok(Answer::json(200, &self.world().find(key)?.inspect())),
            Verb::ContainerList => Ok(self.list(request)),
            Verb::ContainerStart => self.start(key),
            Verb::ContainerStop => self.stop(key, grace()).await,
            Verb::ContainerKill => {
                self.kill(key, signal_number(request.param("signal"))?)
                    .await
            }
            Verb::ContainerPause => self.pause(key),
            Verb::ContainerUnpause => self.unpause(key),
            Verb::ContainerRestart => self.restart(key, grace()).await,
            Verb::ContainerWait => self.wait(key, request),
            Verb::ContainerRemove => {
                self.remove(key, request.flag("v"), request.flag("force"))
                    .await
            }
            Verb::Events => Ok(self.stream_events(request)),
            Verb::Other => Err(Answer::error(404, "page not found")),
        }
    }

    /// `GET /containers/json`; the filter `name` matches any part of a name, as the engine's does.
    fn list(&self, request: &Request) -> Answer {
        let (all, names) = (request.flag("all"), request.filter("name"));
        let world = self.world();
        let shown = world.containers.values().filter(|container| {
            let named = names.is_empty()
                || names
                    .iter()
                    .any(|part| container.name.contains(part.as_str()));
            named && (all || container.state.running)
        });
        Answer::json(
            200,
            &Value::Array(shown.map(super::container::Container::summary).collect()),
        )
    }
}

fn version() -> Value {
    json!({
        "Version": "20.10.24-fake",
        "ApiVersion": "1.41",
        "MinAPIVersion": "1.12",
        "Os": "linux",
        "Arch": crate::images::this_architecture(),
        "KernelVersion": "0",
        "GoVersion": "none",
        "GitCommit": "none",
    })
}
