//! What the engine, the runtime below it and the kernel refuse, as the real ones were seen to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::container::{Behaviour, Container, string_list};
use super::host::World;
use super::message::Answer;
use super::release::Release;

/// The file of every image of the tests.
const PROGRAM: &str = "/runtime";
/// Default log driver of an engine whose log cannot be reached.
const UNREACHABLE_LOG: &str = "syslog";
/// Where the runtime puts something of its own.
const TAKEN: [&str; 5] = ["/", "/dev", "/dev/null", "/dev/ptmx", "/proc"];
/// `MAX_ARG_STRLEN` of the kernel, and a quarter of the usual stack.
const LONGEST_STRING: usize = 128 * 1024;
const ALL_STRINGS: usize = 2 * 1024 * 1024;

/// A network that somebody made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Containers can join it.
    Open,
    /// It holds a configuration for other networks.
    ConfigOnly,
    /// Every address is taken.
    Full,
}

/// The machine that the engine runs on.
#[derive(Debug)]
pub(crate) struct EngineHost {
    pub root_directory: String,
    pub remaps_users: bool,
    pub init_is_missing: bool,
}

/// What of the world decides whether a container can run.
pub(crate) struct Refusing {
    networks: BTreeMap<String, Network>,
    init_is_missing: bool,
    release: Release,
}

impl Default for EngineHost {
    fn default() -> Self {
        Self {
            root_directory: "/var/lib/docker-of-the-fake-engine".to_owned(),
            remaps_users: false,
            init_is_missing: false,
        }
    }
}

impl EngineHost {
    pub fn security_options(&self) -> Vec<&'static str> {
        let mut options = vec!["name=seccomp,profile=default"];
        options.extend(self.remaps_users.then_some("name=userns"));
        options
    }

    pub fn init_commit(&self) -> &'static str {
        if self.init_is_missing { "N/A" } else { "" }
    }

    pub fn refuse_create(&self, host_config: &Value) -> Result<(), Answer> {
        if self.remaps_users && host_config["NetworkMode"] == "host" {
            let text = "cannot share the host's network namespace when user namespaces are enabled";
            return Err(Answer::error(400, text));
        }
        Ok(())
    }
}

impl Refusing {
    pub fn of(world: &World) -> Self {
        Self {
            networks: world.networks.clone(),
            init_is_missing: world.host_of_engine.init_is_missing,
            release: world.release,
        }
    }

    fn network(&self, mode: &str) -> Result<(), Answer> {
        if let "host" | "none" | "bridge" | "default" = mode {
            return Ok(());
        }
        match self.networks.get(mode) {
            Some(Network::Open) => Ok(()),
            Some(Network::ConfigOnly) => {
                let text = "cannot create endpoint on configuration-only network";
                Err(Answer::error(403, text))
            }
            Some(Network::Full) => {
                let text = "no available IPv4 addresses on this network's address pools";
                Err(Answer::error(500, format!("{text}: {mode}")))
            }
            None => Err(Answer::error(404, format!("network {mode} not found"))),
        }
    }
}

impl super::host::Host {
    /// `GET /networks/{name}`
    pub fn inspect_network(&self, name: &str) -> super::acts::Acted {
        let world = self.world();
        let Some(network) = world.networks.get(name) else {
            return Err(Answer::error(404, format!("network {name} not found")));
        };
        let shown = json!({
            "Name": name, "Id": super::images::sha256_hex(name.as_bytes()), "Scope": "local",
            "Driver": "bridge", "Internal": false, "Attachable": false, "Ingress": false,
            "ConfigOnly": *network == Network::ConfigOnly, "Containers": {},
        });
        Ok(Answer::json(200, &shown))
    }
}

/// What a process does that is given these words and variables.
pub(crate) fn behaviour(argv: &[String], config: &Value) -> Behaviour {
    let mut strings = string_list(&config["Env"]);
    strings.extend(argv.iter().cloned());
    let all: usize = strings.iter().map(|string| string.len() + 9).sum();
    let broken = strings.iter().any(|string| string.len() >= LONGEST_STRING)
        || all > ALL_STRINGS
        || argv.iter().any(|word| word.contains('\0'));
    match broken {
        // The engine has called it started by then.
        true => Behaviour::Exits {
            after: Duration::ZERO,
            code: 1,
        },
        false => Behaviour::of(argv),
    }
}

/// What a creation finds in the way of the places that an image names.
pub(crate) fn refuse_places(config: &Value) -> Result<(), Answer> {
    let directory = config["WorkingDir"].as_str().unwrap_or_default();
    let volumes = volumes(config);
    for path in volumes.iter().map(String::as_str).chain([directory]) {
        let place = resolved(path);
        let unfit = path.contains('\0') || path.split('/').any(|name| name.len() > 255);
        let text = match place.strip_prefix(PROGRAM) {
            _ if unfit => format!("lstat {}: invalid argument", path.escape_debug()),
            Some("") if path == directory => format!("Cannot mkdir: {path} is not a directory"),
            Some("") => format!("cannot mount volume over existing file, file exists {place}"),
            Some(below) if below.starts_with('/') => format!("lstat {place}: not a directory"),
            _ => continue,
        };
        return Err(Answer::error(500, text));
    }
    Ok(())
}

/// What a start finds in its way.
pub(crate) fn refuse_run(refusing: &Refusing, c: &mut Container) -> Result<(), Answer> {
    let refused = refusing
        .network(c.host_config["NetworkMode"].as_str().unwrap_or_default())
        .and_then(|()| refuse_log(refusing, &c.host_config))
        .and_then(|()| refuse_user(c.config["User"].as_str().unwrap_or_default()))
        .and_then(|()| refuse_process(refusing, c));
    if let Err(answer) = &refused {
        c.state.exit_code = 128;
        c.state.error = format!("{answer:?}");
    }
    refused
}

fn refuse_log(refusing: &Refusing, host_config: &Value) -> Result<(), Answer> {
    if host_config["LogConfig"]["Type"] == UNREACHABLE_LOG {
        let text = "failed to initialize logging driver: dial tcp 127.0.0.1:1: connect: connection refused";
        let before = refusing.release.failed_start();
        return Err(Answer::error(500, format!("{before}{text}")));
    }
    Ok(())
}

/// The images of the tests have no list of users.
fn refuse_user(user: &str) -> Result<(), Answer> {
    let mut parts = user.split(':');
    for (part, what, file) in [
        (parts.next(), "user", "passwd"),
        (parts.next(), "group", "group"),
    ] {
        let part = part.unwrap_or_default();
        let text = match part.parse::<i64>() {
            _ if part.is_empty() => continue,
            Ok(number) if (0..=2_147_483_647).contains(&number) => continue,
            Ok(_) => "uids and gids must be in range 0-2147483647".to_owned(),
            Err(_) => {
                format!("unable to find {what} {part}: no matching entries in {file} file")
            }
        };
        return Err(Answer::error(500, text));
    }
    Ok(())
}

fn refuse_process(refusing: &Refusing, c: &Container) -> Result<(), Answer> {
    let failed = |status, what: &str| {
        let text =
            format!("failed to create shim task: OCI runtime create failed: {what}: unknown");
        Err(Answer::error(status, text))
    };
    if c.has_init() && refusing.init_is_missing {
        return failed(
            400,
            "exec: \"docker-init\": executable file not found in $PATH",
        );
    }
    if c.argv.first().is_some_and(String::is_empty) {
        return failed(400, "exec: \"\": executable file not found in $PATH");
    }
    let directory = c.config["WorkingDir"].as_str().unwrap_or_default();
    if !directory.is_empty() && !directory.starts_with('/') {
        return failed(500, "Cwd must be an absolute path");
    }
    let variables = string_list(&c.config["Env"]);
    if variables
        .iter()
        .any(|line| line.starts_with('=') || line.contains('\0'))
    {
        return failed(500, "environment variable name can't be empty");
    }
    let places = volumes(&c.config);
    let places = places.iter().map(|volume| resolved(volume));
    for place in places {
        if TAKEN.contains(&place.as_str()) || place.starts_with("/proc/") {
            return failed(500, &format!("error mounting a volume to {place}"));
        }
    }
    Ok(())
}

fn volumes(config: &Value) -> Vec<String> {
    let volumes = config["Volumes"].as_object().into_iter().flatten();
    volumes.map(|(path, _)| path.clone()).collect()
}

fn resolved(path: &str) -> String {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}
