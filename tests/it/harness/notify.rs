//! The service manager's side of an agent: a socket of the test's to which the agent reports.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use super::{Agent, World};

/// An agent that reports to a socket of the test's.
pub fn reporting(world: &World, more: &[(&str, &str)]) -> (Agent, UnixDatagram) {
    let path = world.path("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("bound");
    let path = path.display().to_string();
    let mut extra = vec![("NOTIFY_SOCKET", path.as_str())];
    extra.extend_from_slice(more);
    let agent = Agent::start(
        &world.env_file(),
        world.port,
        &world.path("agent.log"),
        &extra,
    );
    (agent, socket)
}

/// Waits for a STATUS line that is as wanted.
pub fn told(socket: &UnixDatagram, wanted: impl Fn(&str) -> bool) -> String {
    let wait = Some(Duration::from_millis(100));
    socket.set_read_timeout(wait).expect("set");
    let end = Instant::now() + Duration::from_secs(20);
    let mut last = String::new();
    while Instant::now() < end {
        let mut text = [0; 4096];
        let length = socket.recv(&mut text).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[..length]).into_owned();
        if let Some(line) = text.strip_prefix("STATUS=") {
            last = line.trim_end().to_owned();
            if wanted(&last) {
                return last;
            }
        }
    }
    panic!("the last was: {last}");
}
