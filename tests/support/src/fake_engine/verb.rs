//! The calls of the Engine API that this project makes, as one enumerable list.

use std::fmt;

/// One kind of call, whatever container or image it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// `GET` or `HEAD /_ping`
    Ping,
    /// `GET /version`
    Version,
    /// `GET /info`
    Info,
    /// `POST /images/create`
    ImagePull,
    /// `GET /images/{ref}/json`
    ImageInspect,
    /// `GET /images/json`
    ImageList,
    /// `DELETE /images/{ref}`
    ImageRemove,
    /// `POST /containers/create`
    ContainerCreate,
    /// `GET /containers/{id}/json`
    ContainerInspect,
    /// `GET /containers/json`
    ContainerList,
    /// `POST /containers/{id}/start`
    ContainerStart,
    /// `POST /containers/{id}/stop`
    ContainerStop,
    /// `POST /containers/{id}/kill`
    ContainerKill,
    /// `POST /containers/{id}/pause`
    ContainerPause,
    /// `POST /containers/{id}/unpause`
    ContainerUnpause,
    /// `POST /containers/{id}/restart`
    ContainerRestart,
    /// `POST /containers/{id}/wait`
    ContainerWait,
    /// `POST /containers/{id}/rename`
    ContainerRename,
    /// `POST /containers/{id}/update`
    ContainerUpdate,
    /// `DELETE /containers/{id}`
    ContainerRemove,
    /// `GET /networks/{name}`
    NetworkInspect,
    /// `GET /events`
    Events,
    /// Anything else: the fake answers 404, the proxy passes it on.
    Other,
}

impl Verb {
    /// Every call that the fake engine knows.
    pub const ALL: [Verb; 22] = [
        Verb::Ping,
        Verb::Version,
        Verb::Info,
        Verb::ImagePull,
        Verb::ImageInspect,
        Verb::ImageList,
        Verb::ImageRemove,
        Verb::ContainerCreate,
        Verb::ContainerInspect,
        Verb::ContainerList,
        Verb::ContainerStart,
        Verb::ContainerStop,
        Verb::ContainerKill,
        Verb::ContainerPause,
        Verb::ContainerUnpause,
        Verb::ContainerRestart,
        Verb::ContainerWait,
        Verb::ContainerRename,
        Verb::ContainerUpdate,
        Verb::ContainerRemove,
        Verb::NetworkInspect,
        Verb::Events,
    ];

    /// The call's name, such as `container_start`.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Ping => "ping",
            Verb::Version => "version",
            Verb::Info => "info",
            Verb::ImagePull => "image_pull",
            Verb::ImageInspect => "image_inspect",
            Verb::ImageList => "image_list",
            Verb::ImageRemove => "image_remove",
            Verb::ContainerCreate => "container_create",
            Verb::ContainerInspect => "container_inspect",
            Verb::ContainerList => "container_list",
            Verb::ContainerStart => "container_start",
            Verb::ContainerStop => "container_stop",
            Verb::ContainerKill => "container_kill",
            Verb::ContainerPause => "container_pause",
            Verb::ContainerUnpause => "container_unpause",
            Verb::ContainerRestart => "container_restart",
            Verb::ContainerWait => "container_wait",
            Verb::ContainerRename => "container_rename",
            Verb::ContainerUpdate => "container_update",
            Verb::ContainerRemove => "container_remove",
            Verb::NetworkInspect => "network_inspect",
            Verb::Events => "events",
            Verb::Other => "other",
        }
    }

    /// Whether the call can change what is on the host.
    pub fn changes_something(self) -> bool {
        match self {
            Verb::ImagePull
            | Verb::ImageRemove
            | Verb::ContainerCreate
            | Verb::ContainerStart
            | Verb::ContainerStop
            | Verb::ContainerKill
            | Verb::ContainerPause
            | Verb::ContainerUnpause
            | Verb::ContainerRestart
            | Verb::ContainerRename
            | Verb::ContainerUpdate
            | Verb::ContainerRemove
            | Verb::Other => true,
            Verb::Ping
            | Verb::Version
            | Verb::Info
            | Verb::ImageInspect
            | Verb::ImageList
            | Verb::ContainerInspect
            | Verb::ContainerList
            | Verb::ContainerWait
            | Verb::NetworkInspect
            | Verb::Events => false,
        }
    }

    /// The call that a method and an unversioned path make, and what it is about.
    pub(crate) fn of(method: &str, path: &str) -> (Verb, String) {
        let fixed = match (method, path) {
            ("GET" | "HEAD", "/_ping") => Some(Verb::Ping),
            ("GET", "/version") => Some(Verb::Version),
            ("GET", "/info") => Some(Verb::Info),
            ("GET", "/events") => Some(Verb::Events),
            ("POST", "/images/create") => Some(Verb::ImagePull),
            ("GET", "/images/json") => Some(Verb::ImageList),
            ("POST", "/containers/create") => Some(Verb::ContainerCreate),
            ("GET", "/containers/json") => Some(Verb::ContainerList),
            _ => None,
        };
        if let Some(verb) = fixed {
            return (verb, String::new());
        }
        if let Some(rest) = path.strip_prefix("/images/") {
            return of_image(method, rest);
        }
        if let ("GET", Some(name)) = (method, path.strip_prefix("/networks/")) {
            return (Verb::NetworkInspect, name.to_owned());
        }
        if let Some(rest) = path.strip_prefix("/containers/") {
            return of_container(method, rest);
        }
        (Verb::Other, String::new())
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn of_image(method: &str, rest: &str) -> (Verb, String) {
    match (method, rest.strip_suffix("/json")) {
        ("GET", Some(reference)) => (Verb::ImageInspect, reference.to_owned()),
        ("DELETE", _) => (Verb::ImageRemove, rest.to_owned()),
        _ => (Verb::Other, String::new()),
    }
}

fn of_container(method: &str, rest: &str) -> (Verb, String) {
    let (subject, act) = rest.split_once('/').unwrap_or((rest, ""));
    let verb = match (method, act) {
        ("DELETE", "") => Verb::ContainerRemove,
        ("GET", "json") => Verb::ContainerInspect,
        ("POST", "start") => Verb::ContainerStart,
        ("POST", "stop") => Verb::ContainerStop,
        ("POST", "kill") => Verb::ContainerKill,
        ("POST", "pause") => Verb::ContainerPause,
        ("POST", "unpause") => Verb::ContainerUnpause,
        ("POST", "restart") => Verb::ContainerRestart,
        ("POST", "wait") => Verb::ContainerWait,
        ("POST", "rename") => Verb::ContainerRename,
        ("POST", "update") => Verb::ContainerUpdate,
        _ => Verb::Other,
    };
    (verb, subject.to_owned())
}
