//! The sockets of the running agent: the API's port and the lock of its container, taken over from systemd where a
//! socket unit holds them, and made here where none does.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::container_lock::{ContainerLock, LockHolder, lock_holder};
use crate::exit::Exit;
use crate::settings::Settings;
use crate::systemd::HandedOver;

/// What the agent holds from its start to its end.
#[derive(Debug)]
pub(super) struct Sockets {
    handed_over: Option<TcpListener>,
    /// The right to be this container's agent.
    _lock: ContainerLock,
}

impl Sockets {
    /// Takes over what systemd hands over, and the lock if that is not among it. A second agent ends here, before it
    /// has written anything.
    ///
    /// # Errors
    /// What is handed over is not of these settings; another agent has the container.
    pub(super) fn open(handed_over: Vec<HandedOver>, settings: &Settings) -> Result<Self, Exit> {
        let (mut listener, mut lock) = (None, None);
        for socket in handed_over {
            let foreign = match socket {
                HandedOver::Tcp(handed) if listener.is_none() => {
                    own_port(handed, settings.port).map(|handed| listener = Some(handed))
                }
                HandedOver::Unix(handed) if lock.is_none() => {
                    ContainerLock::of(handed, &settings.runtime.container_name)
                        .map(|handed| lock = Some(handed))
                }
                HandedOver::Tcp(_) | HandedOver::Unix(_) => Err("one socket too many".to_owned()),
                HandedOver::Other => Err("what is no stream socket".to_owned()),
            };
            foreign.map_err(|what| refuse(&what, settings))?;
        }
        let lock = lock.map_or_else(|| take_lock(settings), Ok)?;
        Ok(Self {
            handed_over: listener,
            _lock: lock,
        })
    }

    /// The listener of the API's port, made here where systemd does not hold it.
    ///
    /// # Errors
    /// Somebody else has the port.
    pub(super) fn listener(&mut self, port: u16) -> Result<TcpListener, Exit> {
        if let Some(handed) = self.handed_over.take() {
            return Ok(handed);
        }
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            log::error!("127.0.0.1:{port} cannot be listened on: {error}");
            Exit::Failed
        })
    }
}

/// The listener, if it is one and on this port of the loopback; else what it is.
fn own_port(handed: TcpListener, port: u16) -> Result<TcpListener, String> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listens = rustix::net::sockopt::socket_acceptconn(&handed).unwrap_or(false);
    match handed.local_addr() {
        Ok(found) if found == wanted && listens => Ok(handed),
        Ok(found) if listens => Err(found.to_string()),
        Ok(found) => Err(format!("{found}, on which nothing listens")),
        Err(error) => Err(format!("a TCP socket without an address: {error}")),
    }
}

fn refuse(what: &str, settings: &Settings) -> Exit {
    let (environment, port) = (settings.environment, settings.port);
    log::error!(
        "LISTEN_FDS: systemd hands over {what}; the settings ask for PORT {port} of 127.0.0.1 and CONTAINER_NAME {}: \
         dreichor-deploy-agent-setup install {environment} sets the socket unit up for them",
        settings.runtime.container_name
    );
    Exit::Settings
}

fn take_lock(settings: &Settings) -> Result<ContainerLock, Exit> {
    let name = &settings.runtime.container_name;
    ContainerLock::take(name).map_err(|error| {
        if error.kind() != std::io::ErrorKind::AddrInUse {
            log::error!("CONTAINER_NAME {name}: its lock cannot be taken: {error}");
            return Exit::Failed;
        }
        let holder = lock_holder(name).unwrap_or(LockHolder::Unknown);
        log::error!(
            "CONTAINER_NAME {name}: another agent has this container, whatever its state directory: {holder}"
        );
        Exit::Locked
    })
}
