//! How a runtime comes up that needs its environment and its database, as the sample program does it.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::container::{Container, string_list};

/// As long as the sample program takes before it looks at anything.
pub(crate) const WARM_UP: Duration = Duration::from_millis(400);
const NEEDED: [&str; 2] = ["DATABASE_URL", "EXECUTION_PLANE"];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The environment of a container's process, as far as it matters for coming up.
#[derive(Debug)]
pub(crate) struct ComingUp {
    values: [String; 2],
}

impl ComingUp {
    pub fn of(container: &Container) -> ComingUp {
        let variables = string_list(&container.config["Env"]);
        let value = |name: &str| {
            let mut pairs = variables.iter().filter_map(|pair| pair.split_once('='));
            let found = pairs.rfind(|(key, _)| *key == name);
            found.map_or(String::new(), |(_, value)| value.to_owned())
        };
        ComingUp {
            values: NEEDED.map(value),
        }
    }

    /// Whether everything is there. Connects as the process would, and so blocks for as long.
    pub fn succeeds(&self) -> bool {
        let [url, plane] = &self.values;
        if plane.is_empty() {
            return false;
        }
        let resolved = address_of(url).and_then(|address| address.to_socket_addrs().ok()?.next());
        resolved.is_some_and(|at| TcpStream::connect_timeout(&at, CONNECT_TIMEOUT).is_ok())
    }
}

/// `host:port` of `postgres://user:password@host:port/name`.
fn address_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    authority.rsplit('@').next()
}
