//! The agent's end of the socket: who connects, and how many at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::conversation::converse;
use crate::agent::Agent;

/// More than a few people ask at a time only by mistake.
const CONVERSATIONS: usize = 16;
/// After the kernel refused a connection.
const RETRY: Duration = Duration::from_secs(1);

/// Answers until it is dropped, each connection in a task of its own.
pub async fn serve(listener: UnixListener, agent: Agent) {
    let places = Arc::new(Semaphore::new(CONVERSATIONS));
    loop {
        // Whoever comes past the bound waits in the kernel's queue.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let agent = agent.clone();
                tokio::spawn(async move {
                    admit(stream, &agent).await;
                    drop(place);
                });
            }
            Err(error) => {
                log::warn!("the operator's socket refuses a connection: {error}");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Only root and the agent's own user: the kernel says who is at the other end.
async fn admit(stream: UnixStream, agent: &Agent) {
    let own = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == 0 || peer.uid() == own => {
            converse(stream, agent, peer.uid()).await;
        }
        Ok(peer) => log::warn!(
            "the operator's socket: uid {} is neither root nor the agent's user",
            peer.uid()
        ),
        Err(error) => log::warn!("the operator's socket: who connects is not known: {error}"),
    }
}
