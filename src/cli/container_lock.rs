//! One agent a container: a name that the kernel gives to one process at a time and takes back when that process ends,
//! however it ends. It is made of the container's name alone: neither another state directory nor another way to the
//! same engine is another lock.
//!
//! What it does not cover: an agent in another network namespace, such as in a container, and one on another host that
//! reaches the same engine.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::domain::ContainerName;

/// In front of the container's name; as the socket units have it too.
const PREFIX: &str = "dreichor-deploy-agent/";
/// What an abstract name may hold, in bytes: `sockaddr_un` less its leading zero.
const LONGEST: usize = 107;

/// The right to be a container's agent, for as long as it lives.
#[derive(Debug)]
pub(super) struct ContainerLock(#[expect(dead_code, reason = "it is held")] UnixListener);

/// Who has the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockHolder {
    /// The service manager, for the agent that it starts.
    ServiceManager,
    /// A process, with its user.
    Process {
        /// In this process's own view of processes.
        pid: i32,
        /// Its user.
        user: u32,
    },
    /// Somebody whom the kernel does not show.
    Unknown,
}

impl ContainerLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// Somebody has it, or the kernel does not give it.
    pub(super) fn take(container: &ContainerName) -> io::Result<Self> {
        UnixListener::bind_addr(&address(container)?).map(Self)
    }

    /// Takes over a listener that the service manager holds, if it is this container's lock.
    ///
    /// # Errors
    /// The listener, back: it is another one.
    pub(super) fn of(listener: UnixListener, container: &ContainerName) -> Result<Self, String> {
        let name = abstract_name(container);
        let found = listener.local_addr().ok();
        let found = found.as_ref().and_then(SocketAddr::as_abstract_name);
        match found {
            Some(found) if found == name.as_bytes() => Ok(Self(listener)),
            Some(other) => Err(format!("@{}", String::from_utf8_lossy(other))),
            None => Err("a unix socket that is no lock".to_owned()),
        }
    }
}

/// Who has the lock of this container; none if nobody does. Takes nothing, and never waits: nobody takes the connections
/// of the lock, so that after some thousands of questions its queue is full.
pub(super) fn lock_holder(container: &ContainerName) -> Option<LockHolder> {
    let asked = match connected(container) {
        Ok(asked) => asked,
        Err(Errno::CONNREFUSED) => return None,
        Err(_) => return Some(LockHolder::Unknown),
    };
    Some(match rustix::net::sockopt::socket_peercred(&asked) {
        Ok(peer) if peer.pid.as_raw_nonzero().get() == 1 => LockHolder::ServiceManager,
        Ok(peer) => LockHolder::Process {
            pid: peer.pid.as_raw_nonzero().get(),
            user: peer.uid.as_raw(),
        },
        Err(_) => LockHolder::Unknown,
    })
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceManager => f.write_str("systemd, for the agent of the unit"),
            Self::Process { pid, user } => write!(f, "process {pid} of user {user}"),
            Self::Unknown => f.write_str("a process that is not visible from here"),
        }
    }
}

fn connected(container: &ContainerName) -> Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new_abstract_name(abstract_name(container).as_bytes())?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &address)?;
    Ok(socket)
}

fn address(container: &ContainerName) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(abstract_name(container))
}

/// The lock's name, without the zero or `@` in front. Of a name that is too long its end, which has the environment. Two that end alike are kept from each other for
/// nothing, and no one is let in that should not be.
pub(super) fn abstract_name(container: &ContainerName) -> String {
    let name = container.as_str();
    // The alphabet of container names is ASCII.
    let fits = &name[name.len().saturating_sub(LONGEST - PREFIX.len())..];
    format!("{PREFIX}{fits}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Environment;

    fn container(name: &str) -> ContainerName {
        ContainerName::parse(name, Environment::Dev).expect("valid")
    }

    #[test]
    fn one_process_has_the_lock_until_it_lets_go() {
        let one = container(&format!("lock-test-{}-dev", std::process::id()));
        let other = container(&format!("lock-test-other-{}-dev", std::process::id()));
        assert_eq!(lock_holder(&one), None);
        let lock = ContainerLock::take(&one).expect("free");
        let second = ContainerLock::take(&one).expect_err("taken");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        let pid = i32::try_from(std::process::id()).expect("a process");
        let user = rustix::process::geteuid().as_raw();
        assert_eq!(lock_holder(&one), Some(LockHolder::Process { pid, user }));
        ContainerLock::take(&other).expect("another container is another lock");
        drop(lock);
        assert_eq!(lock_holder(&one), None);
        ContainerLock::take(&one).expect("free again");
    }

    #[test]
    fn a_holder_who_answers_no_question_is_still_asked_without_waiting() {
        let name = container(&format!("full-{}-dev", std::process::id()));
        let lock = ContainerLock::take(&name).expect("free");
        let mut asked = 0;
        // The longest queue that the kernel keeps, and then some.
        while lock_holder(&name) != Some(LockHolder::Unknown) {
            asked += 1;
            assert!(asked < 70_000, "its queue is never full");
        }
        drop(lock);
        assert_eq!(lock_holder(&name), None);
    }

    #[test]
    fn the_longest_name_has_a_lock_of_its_environment() {
        let long = container(&format!("{}-dev", "x".repeat(124)));
        assert!(abstract_name(&long).ends_with("-dev"));
        ContainerLock::take(&long).expect("it fits");
    }

    #[test]
    fn only_this_containers_lock_is_taken_over() {
        let one = container(&format!("handed-{}-dev", std::process::id()));
        let bound = UnixListener::bind_addr(&address(&one).expect("an address")).expect("free");
        let copy = bound.try_clone().expect("a copy");
        ContainerLock::of(copy, &one).expect("its own");
        let refused = ContainerLock::of(bound, &container("another-dev")).expect_err("another's");
        assert!(refused.contains("/handed-"), "{refused}");
    }
}
