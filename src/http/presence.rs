//! Is the client of a queued request still there?
//!
//! actix-web drops a handler when the connection is reset, but not when it is closed in order. Looking at the socket
//! decides both alike: a client that has closed its side waits for no answer.

use std::any::Any;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use rustix::net::RecvFlags;

use crate::actor::ClientGone;

/// A second descriptor of a connection, to look at it without taking bytes from it.
struct Connection(Arc<OwnedFd>);

/// Called by the server for each connection.
pub(super) fn remember(io: &dyn Any, data: &mut Extensions) {
    use std::os::fd::AsFd;
    let Some(stream) = io.downcast_ref::<TcpStream>() else {
        return;
    };
    // Without a second descriptor the dropped handler is the only sign, and that is sign enough to go on.
    if let Ok(second) = stream.as_fd().try_clone_to_owned() {
        data.insert(Connection(Arc::new(second)));
    }
}

/// A test for the request's client. It keeps nothing open: when the server lets go of the connection, it is gone.
pub(super) fn client_gone(request: &HttpRequest) -> ClientGone {
    let connection: Option<Weak<OwnedFd>> = request
        .conn_data::<Connection>()
        .map(|connection| Arc::downgrade(&connection.0));
    Box::new(move || match &connection {
        Some(connection) => connection.upgrade().is_none_or(|socket| is_closed(&socket)),
        None => false,
    })
}

/// Whether the peer has closed its side: a peek that finds the end, or an error other than "nothing yet".
fn is_closed(socket: &OwnedFd) -> bool {
    let mut byte = [0_u8; 1];
    match rustix::net::recv(socket, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, length)) => length == 0,
        Err(error) => error != rustix::io::Errno::AGAIN && error != rustix::io::Errno::INTR,
    }
}
