//! Which call goes where on the simulated host.

use std::sync::Arc;

use serde_json::{Value, json};

use super::acts::{Acted, signal_number};
use super::create::Wish;
use super::front::{Answering, Backend};
use super::host::{Host, World};
use super::message::{Answer, Request};
use super::verb::Verb;

impl Backend for Host {
    fn answer(self: Arc<Self>, request: Request) -> Answering {
        Box::pin(async move { Ok(self.route(&request).await.unwrap_or_else(|refusal| refusal)) })
    }
}

impl Host {
    async fn route(self: &Arc<Self>, request: &Request) -> Acted {
        if let Some(problem) = request.version_problem(self.world().release) {
            return Err(problem);
        }
        let subject = request.subject.as_str();
        let grace = request.param("t").and_then(|t| t.parse().ok());
        match request.verb {
            Verb::Ping if request.method == "HEAD" => Ok(Answer::empty(200)),
            Verb::Ping => Ok(Answer::text(200, "OK")),
            Verb::Version => Ok(Answer::json(200, &version(&self.world()))),
            Verb::Info => Ok(Answer::json(200, &self.info())),
            Verb::ImagePull => self.pull(request).await,
            Verb::ImageInspect => self.inspect_image(subject),
            Verb::ImageList => self.list_images(request),
            Verb::ImageRemove => self.remove_image(subject, request.flag("force")),
            Verb::ContainerCreate => self.create(&Wish::of(request)?),
            Verb::ContainerInspect => {
                let shown = self.world().find(subject)?.inspect();
                Ok(Answer::json(200, &shown))
            }
            Verb::ContainerList => self.list(request),
            Verb::ContainerStart => self.start(subject),
            Verb::ContainerStop => self.stop(subject, grace).await,
            Verb::ContainerKill => {
                let signal = signal_number(request.param("signal"))?;
                self.kill(subject, signal).await
            }
            Verb::ContainerPause => self.pause(subject),
            Verb::ContainerUnpause => self.unpause(subject),
            Verb::ContainerRestart => self.restart(subject, grace).await,
            Verb::ContainerWait => self.wait(subject, request),
            Verb::ContainerRename => {
                self.rename(subject, request.param("name").unwrap_or_default())
            }
            Verb::ContainerUpdate => self.update(subject, request),
            Verb::ContainerRemove => {
                let (volumes, force) = (request.flag("v"), request.flag("force"));
                self.remove(subject, volumes, force).await
            }
            Verb::NetworkInspect => self.inspect_network(subject),
            Verb::Events => Ok(self.stream_events(request)),
            Verb::Other => Err(Answer::error(404, "page not found")),
        }
    }

    fn info(&self) -> Value {
        let world = self.world();
        let in_state = |status: &str| {
            let containers = world.containers.values();
            containers.filter(|c| c.state.status() == status).count()
        };
        json!({
            "ID": "FAKE:ENGINE", "Name": "fake-engine", "Driver": "overlay2",
            "DriverStatus": [["Backing Filesystem", "extfs"]],
            "CgroupVersion": "1", "LiveRestoreEnabled": false,
            "ServerVersion": world.release.version(), "OSType": "linux", "Architecture": "x86_64",
            "NCPU": 2, "MemTotal": 4_000_000_000_u64,
            "LoggingDriver": world.log_driver,
            "DockerRootDir": world.host_of_engine.root_directory,
            "SecurityOptions": world.host_of_engine.security_options(),
            "InitBinary": "docker-init",
            "InitCommit": { "ID": world.host_of_engine.init_commit(), "Expected": "" },
            "MemoryLimit": true, "CpuCfsQuota": true, "PidsLimit": true,
            "Containers": world.containers.len(), "Images": world.images.by_id.len(),
            "ContainersRunning": in_state("running"), "ContainersPaused": in_state("paused"),
            "ContainersStopped": in_state("exited"),
        })
    }
}

fn version(world: &World) -> Value {
    let name = |(major, minor)| format!("{major}.{minor}");
    let (oldest, api) = (name(world.release.oldest_api()), name(world.release.api()));
    let version = world.release.version();
    json!({
        "Platform": { "Name": "fake engine of the Dreichor tests" },
        "Components": [{ "Name": world.named_engine, "Version": version, "Details": {
            "ApiVersion": api, "MinAPIVersion": &oldest, "Os": "linux", "Arch": "amd64",
            "GitCommit": "5d6db84", "GoVersion": "go1.19.7", "Experimental": "false",
            "BuildTime": "2023-04-04T18:17:51.000000000+00:00", "KernelVersion": "5.15.0",
        } }],
        "Version": version,
        "ApiVersion": api,
        "MinAPIVersion": oldest,
        "GitCommit": "5d6db84",
        "GoVersion": "go1.19.7",
        "Os": "linux",
        "Arch": "amd64",
        "KernelVersion": "5.15.0",
        "BuildTime": "2023-04-04T18:17:51.000000000+00:00",
    })
}
