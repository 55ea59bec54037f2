//! What stands for PostgreSQL on a host's loopback: a port that accepts connections, until it goes away.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// A port that accepts; it is closed when this is dropped.
#[derive(Debug)]
pub struct Database {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    accepted: AtomicU64,
}

impl Database {
    /// Listens on a free loopback port.
    ///
    /// # Panics
    /// There is none.
    pub fn start() -> Self {
        Self::on(0)
    }

    /// Listens on this loopback port.
    ///
    /// # Panics
    /// It is taken.
    pub fn on(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a loopback port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || {
            // Whoever connects has what he wanted; the connection ends with this turn.
            for _stream in listener.incoming().map_while(Result::ok) {
                if served.ended.load(Ordering::SeqCst) {
                    return;
                }
                served.accepted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            port,
            shared,
            accepting: Some(accepting),
        }
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A `DATABASE_URL` that leads here, with this password in it.
    pub fn url(&self, password: &str) -> String {
        format!(
            "postgres://dreichor:{password}@127.0.0.1:{}/dreichor_dev",
            self.port
        )
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Goes away: from when this returns, connections are refused.
    pub fn stop(&mut self) {
        let Some(accepting) = self.accepting.take() else {
            return;
        };
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees that it is over and closes the port.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
        // A thread that only accepts has nothing to panic on.
        accepting.join().ok();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.stop();
    }
}
